import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

/** Random bytes drawn ahead: asking the generator costs as much for 4,096 as for 16. */
const pool = Buffer.alloc(4_096);
let used = pool.length;

/** Gives fresh random bytes to `use`, and wipes them: none is found in memory or used again. */
function withRandom<T>(bytes: number, use: (begin: number, end: number) => T): T {
  if (bytes > pool.length) throw new RangeError(`${bytes} random bytes are too many`);
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const [begin, end] = [used, used + bytes];
  used = end;
  const result = use(begin, end);
  pool.fill(0, begin, end);
  return result;
}

let milliseconds = 0;
let sequence = 0;

/** A counter within the millisecond keeps ids of one process in order (RFC 9562 6.2, method 1). */
function tick(seed: number): void {
  const now = Date.now();
  if (now > milliseconds) {
    milliseconds = now;
    sequence = seed;
  } else {
    sequence = (sequence + 1) | 0;
    if (sequence === 0) milliseconds += 1;
  }
}

/** A new UUIDv7 (RFC 9562 5.7): sortable by time, fit for keys, never for secrets. */
export const newId = (): string =>
  withRandom(16, (begin, end) => {
    tick(pool.readInt32BE(begin) & 0x7fff_ffff);
    return v7({ random: pool.subarray(begin, end), msecs: milliseconds, seq: sequence });
  });

/** A new bearer secret: `bytes` random bytes (32 by default, 256 bits) as base64url. */
export const newSecret = (bytes = 32): string =>
  withRandom(bytes, (begin, end) => pool.toString('base64url', begin, end));

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether a value is shaped like a UUID; asked before it reaches a uuid column. */
export const isUuid = (value: unknown): value is string =>
  typeof value === 'string' && UUID.test(value);
