import type { Redis } from 'ioredis';
import { errors } from 'oidc-provider';
import type { Clock } from '../../kernel/clock.ts';
import { hashId, mayName } from './ids.ts';
import { type ModelAdapter, unsupported } from './model-adapter.ts';
import { toTtl, withScripts } from './redis-scripts.ts';

const MODEL = 'ReplayDetection';

/** Seconds that a looked-up value stays reserved for the request that will spend it. */
const RESERVATION = 60;

/**
 * One-time values of others: `jti` of DPoP proofs and client assertions. The
 * engine's `unique` looks one up and, if absent, saves it: two requests at once
 * would both find it absent. So looking up reserves: the first finds nothing,
 * every other finds it there, and the engine answers each endpoint's own error.
 * A request that dies in between leaves the value reserved: it fails closed.
 */
export function createReplayDetectionAdapter(deps: { redis: Redis; clock: Clock }): ModelAdapter {
  const redis = withScripts(deps.redis);
  const keyOf = (id: string): string => `oidc:${MODEL}:{${hashId(id).toString('hex')}}`;
  return {
    ...unsupported(MODEL),
    async find(id) {
      if (!mayName(MODEL, id)) return undefined;
      const reserved = await redis.set(keyOf(id), 'reserved', 'EX', RESERVATION, 'NX');
      if (reserved === 'OK') return undefined;
      return { jti: id, kind: MODEL, exp: Math.floor(deps.clock.now() / 1000) + RESERVATION };
    },
    async upsert(id, _payload, expiresIn) {
      const isFirst = await redis.gatehouseSpend(keyOf(id), toTtl(expiresIn));
      if (isFirst !== 1) throw new errors.InvalidGrant('this was used before');
    },
    async destroy(id) {
      await redis.unlink(keyOf(id));
    },
  };
}
