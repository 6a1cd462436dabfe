import { verifySync } from 'otplib';

/** Seconds that a code stands for (RFC 6238 4.1); apps know no other. */
const PERIOD = 30;

/** Bytes of a seed: the output of HMAC-SHA-1 (RFC 4226 4, R6 recommends 160 bits). */
export const SEED_BYTES = 20;

const CODE = /^\d{6}$/;

/** Characters of what is read as a code at most. */
const LONGEST = 64;

/** A code as it was typed, without the gap that apps show; undefined where it is none. */
export function readCode(typed: string): string | undefined {
  if (typed.length > LONGEST) return undefined;
  const code = typed.normalize('NFKC').replace(/\s/g, '');
  return CODE.test(code) ? code : undefined;
}

/**
 * The time step that a code is of: the present one, or one beside it (RFC 6238 5.2).
 * @param now milliseconds since the epoch
 * @param lastStep the step of the last code that was taken; none up to it is found
 */
export function findStep(
  seed: Buffer,
  code: string,
  { now, lastStep }: { now: number; lastStep: number | null },
): number | undefined {
  const epoch = Math.floor(now / 1_000);
  const newest = Math.floor((epoch + PERIOD) / PERIOD);
  // The clock went back: all steps of now are behind the last one.
  if (lastStep !== null && lastStep >= newest) return undefined;
  const result = verifySync({
    secret: seed,
    token: code,
    epoch,
    period: PERIOD,
    epochTolerance: PERIOD,
    ...(lastStep === null ? {} : { afterTimeStep: lastStep }),
  });
  return result.valid && 'timeStep' in result ? result.timeStep : undefined;
}
