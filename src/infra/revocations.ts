import type { Redis } from 'ioredis';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';

/** What can be revoked before it expires: a session, one access token, all tokens of a grant. */
export type RevocationKind = 'sid' | 'jti' | 'grant';

export interface Revocation {
  kind: RevocationKind;
  id: string;
  /** Seconds that a token naming it may still live; at most `maxTtl` are kept. Default: `maxTtl`. */
  ttl?: number;
}

/**
 * The revocation set: what makes a self-contained token dead before its `exp`.
 * Keys are `<prefix>revoked:<kind>:{<id>}`, value `1`, each with the remaining
 * life as its TTL, so that the set is bounded and a gateway can read it.
 * Every command names one key: it works on a cluster as well.
 */
export interface Revocations {
  /** Longest life of an access token, seconds: nothing needs to be remembered for longer. */
  readonly maxTtl: number;
  /**
   * Adds to the set. Listeners in this process hear of it first.
   * @throws AppError IDENT_UNAVAILABLE when Redis does not answer
   */
  revoke(entries: readonly Revocation[]): Promise<void>;
  /** Revokes one access token until it would have expired; `exp` in seconds since the epoch. */
  revokeToken(token: { jti: string; exp: number }): Promise<void>;
  /**
   * Whether any of these is revoked, in one round trip.
   * @throws AppError IDENT_UNAVAILABLE when Redis does not answer: callers fail closed
   */
  isRevoked(ids: { sid?: string; jti?: string; grantId?: string }): Promise<boolean>;
  /** Calls `listener` at each `revoke` of this process, before Redis is asked: for local caches. */
  onRevoke(listener: (entries: readonly Revocation[]) => void): void;
}

/** Seconds that an entry outlives what it names: a token may be on its way out while it is written. */
export const MARGIN = 60;

const keyOf = (kind: RevocationKind, id: string): string => `revoked:${kind}:{${id}}`;

const unavailable = (cause: unknown): never => {
  throw new AppError('IDENT_UNAVAILABLE', { cause, log: { dependency: 'redis' } });
};

/**
 * @param options.redis a connection with auto-pipelining, so that parallel
 *   commands leave in one round trip
 * @param options.maxTtl longest life of an access token, seconds
 */
export function createRevocations(options: {
  redis: Redis;
  clock: Clock;
  maxTtl: number;
}): Revocations {
  const { redis, clock, maxTtl } = options;
  const listeners: ((entries: readonly Revocation[]) => void)[] = [];

  async function revoke(entries: readonly Revocation[]): Promise<void> {
    for (const listener of listeners) listener(entries);
    const writes = entries.map(({ kind, id, ttl = maxTtl }) => {
      const seconds = Math.min(Math.ceil(ttl), maxTtl);
      return seconds > 0 ? redis.set(keyOf(kind, id), '1', 'EX', seconds + MARGIN) : undefined;
    });
    await Promise.all(writes).catch(unavailable);
  }

  return {
    maxTtl,
    revoke,
    revokeToken: ({ jti, exp }) =>
      revoke([{ kind: 'jti', id: jti, ttl: exp - Math.floor(clock.now() / 1000) }]),
    async isRevoked({ sid, jti, grantId }) {
      const keys: string[] = [];
      if (sid !== undefined) keys.push(keyOf('sid', sid));
      if (jti !== undefined) keys.push(keyOf('jti', jti));
      if (grantId !== undefined) keys.push(keyOf('grant', grantId));
      const found = await Promise.all(keys.map((key) => redis.exists(key))).catch(unavailable);
      return found.some((count) => count > 0);
    },
    onRevoke: (listener) => {
      listeners.push(listener);
    },
  };
}
