import { createHmac, hash, timingSafeEqual } from 'node:crypto';

/** SHA-256 of a text: how 256-bit random bearer values are kept at rest. */
export const sha256 = (value: string): Buffer => hash('sha256', value, 'buffer');

/** HMAC-SHA-256 of a text under a server key: for values too short to be hashed bare. */
export const hmacSha256 = (key: Buffer, value: string): Buffer =>
  createHmac('sha256', key).update(value).digest();

/** Compares two digests or texts in time that depends on their length only. */
export function constantTimeEqual(a: Buffer | string, b: Buffer | string): boolean {
  const left = typeof a === 'string' ? sha256(a) : a;
  const right = typeof b === 'string' ? sha256(b) : b;
  return left.length === right.length && timingSafeEqual(left, right);
}

/**
 * A value that must not be printed: logs, JSON and string templates show
 * `[redacted]`; only `reveal()` gives it.
 */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return '[redacted]';
  }
  toJSON(): string {
    return '[redacted]';
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[redacted]';
  }
}
