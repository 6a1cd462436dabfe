import type { Redis } from 'ioredis';
import type { Clock } from '../kernel/clock.ts';
import { constantTimeEqual, sha256 } from '../kernel/crypto.ts';
import { AppError } from '../kernel/errors.ts';
import { isDependencyFailure } from '../kernel/http/index.ts';
import { newSecret } from '../kernel/ids.ts';

/** Milliseconds that a challenge waits for its answer. */
export const CHALLENGE_LIFE = 5 * 60_000;

/** Random values that a device signs: each belongs to one purpose and takes one answer. */
export interface OneTimeChallenges {
  /**
   * @param boundTo what its answer is good for; nothing of it is stored in the clear
   * @returns 256 random bits as base64url
   * @throws AppError IDENT_UNAVAILABLE
   */
  issue(boundTo: string): Promise<string>;
  /**
   * Uses a challenge up, whatever comes of it: of any number of answers one is looked at.
   * @returns whether it was there, in time and bound to this
   * @throws AppError IDENT_UNAVAILABLE
   */
  use(challenge: string, boundTo: string): Promise<boolean>;
}

const keyOf = (challenge: string): string =>
  `webauthn:challenge:${sha256(challenge).toString('base64url')}`;

/** Never a bypass: where Redis does not answer, nothing is decided (ASVS 16.5.3). */
function refuse(error: unknown): never {
  if (isDependencyFailure(error)) throw new AppError('IDENT_UNAVAILABLE', { cause: error });
  throw error;
}

/** Kept in Redis under a digest; its expiry only bounds the storage, the clock decides. */
export function createOneTimeChallenges({
  redis,
  clock,
}: {
  redis: Redis;
  clock: Clock;
}): OneTimeChallenges {
  return {
    async issue(boundTo) {
      const challenge = newSecret();
      const value = `${clock.now() + CHALLENGE_LIFE}:${sha256(boundTo).toString('base64url')}`;
      await redis.set(keyOf(challenge), value, 'PX', CHALLENGE_LIFE).catch(refuse);
      return challenge;
    },
    async use(challenge, boundTo) {
      const value = await redis.getdel(keyOf(challenge)).catch(refuse);
      const [expiresAt = '0', digest = ''] = value?.split(':') ?? [];
      const isBound = constantTimeEqual(Buffer.from(digest, 'base64url'), sha256(boundTo));
      return isBound && clock.now() < Number(expiresAt);
    },
  };
}
