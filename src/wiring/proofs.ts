import { createOneTimeLinks } from '../features/one-time-link/index.ts';
import { securityEvent } from '../infra/logger.ts';
import type { Lookups } from '../infra/lookups.ts';
import { createOneTimeCodes, type OneTimeCodes } from '../infra/one-time-codes.ts';
import { ipBucket, type RateLimits } from '../infra/rate-limits.ts';
import type { Infrastructure } from '../infrastructure.ts';
import { currentRequest } from '../kernel/current-request.ts';
import { AppError } from '../kernel/errors.ts';

/** Codes that one address of the network may have sent, whoever to: SMS cost money. */
const ADDRESS = { bucket: 'code-address', limit: 60, windowMs: 15 * 60_000 };

/** The same codes, fewer for one address of the network; those that follow from events are free. */
const limitByAddress = (
  codes: OneTimeCodes,
  rateLimits: Pick<RateLimits, 'hit'>,
): OneTimeCodes => ({
  ...codes,
  async request(...args) {
    const asker = currentRequest();
    if (asker) {
      const hit = await rateLimits.hit({ ...ADDRESS, key: ipBucket(asker.clientIp) });
      if (!hit.allowed) {
        throw new AppError('IDENT_RATE_LIMITED', { retryAfter: hit.retryAfterSeconds });
      }
    }
    return codes.request(...args);
  },
});

/** What people are sent to prove that an address is theirs: codes, counted, and links. */
export function createProofs(
  infra: Infrastructure,
  lookups: Lookups,
  rateLimits: Pick<RateLimits, 'hit'>,
) {
  const { redis, clock, metrics, log } = infra;
  const codes = createOneTimeCodes({
    ...{ redis, clock, lookups },
    onResult(namespace, result) {
      metrics.otpTotal.inc({ namespace, result });
      if (result === 'closed') securityEvent(log, 'auth.lockout', { otpNamespace: namespace });
    },
  });
  const links = createOneTimeLinks({
    ...{ knex: infra.postgres.knex, clock },
    digest: (value) => lookups.digest('link', value),
  });
  return { codes: limitByAddress(codes, rateLimits), links };
}

export type Proofs = ReturnType<typeof createProofs>;
