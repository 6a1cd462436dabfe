import { hashSync } from '@node-rs/argon2';
import { matches } from './compare.ts';
import { parseHash } from './formats.ts';
import type { Argon2Cost } from './index.ts';

export type HashTask =
  | { kind: 'hash'; password: string; cost: Argon2Cost }
  | {
      kind: 'verify';
      /** Spellings of one password, any of which will do. */
      passwords: readonly string[];
      encoded: string;
      /** Where the hash has another cost than today's: one of today's, to measure time by. */
      yardstick: string | null;
    };

/** `Algorithm.Argon2id`: the package declares a const enum, which type stripping cannot read. */
const ARGON2ID = 2;

/** Bytes of salt; RFC 9106 3.1 asks for 16. */
const SALT_BYTES = 16;

/** How much of a new measurement enters the mean. */
const WEIGHT = 1 / 8;

/** Milliseconds that a hash of today's cost takes on this thread: a running mean. */
let usual: number | undefined;

function measured<T>(work: () => T): T {
  const start = performance.now();
  const result = work();
  const spent = performance.now() - start;
  usual = usual === undefined ? spent : usual + (spent - usual) * WEIGHT;
  return result;
}

function compare(passwords: readonly string[], encoded: string): boolean {
  const stored = parseHash(encoded);
  return stored !== undefined && passwords.some((password) => matches(password, stored));
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/**
 * Compares with a hash of another cost, and where that was quicker than usual
 * waits for the rest: else the time would tell that this account is there and
 * was imported. What takes longer than usual cannot be hidden.
 */
function compareForeign(passwords: readonly string[], encoded: string, yardstick: string): boolean {
  if (usual === undefined) measured(() => compare([''], yardstick));
  const start = performance.now();
  const isRight = compare(passwords, encoded);
  const rest = (usual ?? 0) - (performance.now() - start);
  if (rest > 0) Atomics.wait(sleeper, 0, 0, rest);
  return isRight;
}

/** Runs on a thread of its own, so the synchronous calls block nobody. */
export default function work(task: HashTask): string | boolean {
  if (task.kind === 'verify') {
    const { passwords, encoded, yardstick } = task;
    if (yardstick !== null) return compareForeign(passwords, encoded, yardstick);
    return measured(() => compare(passwords, encoded));
  }
  const { password, cost } = task;
  const salt = crypto.getRandomValues(Buffer.alloc(SALT_BYTES));
  return measured(() => hashSync(password, { algorithm: ARGON2ID, ...cost, salt }));
}
