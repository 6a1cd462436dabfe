/**
 * Where the engine keeps what it issues. Durable in Postgres: Grant,
 * RefreshToken, Session, registration tokens. Short-lived in Redis: the rest.
 * Clients come from the client feature.
 *
 * What holds for all of them, shown by test/oidc/adapter/conformance.ts: bearer
 * values are hashed at rest; of any number of concurrent consumptions one
 * succeeds; what has expired is not found; storage is bounded.
 */
import type { Redis } from 'ioredis';
import type { Adapter } from 'oidc-provider';
import type { InitialAccessTokenService } from '../../features/registration/index.ts';
import type { SessionLimits, SessionStore } from '../../features/session/index.ts';
import type { Lookups } from '../../infra/lookups.ts';
import type { Revocations } from '../../infra/revocations.ts';
import type { Sealer } from '../../infra/sealing.ts';
import type { Clock } from '../../kernel/clock.ts';
import { type ClientStore, createClientAdapter } from './client.ts';
import { createFacts } from './facts.ts';
import { createGrantAdapter } from './grant.ts';
import { createInitialAccessTokenAdapter } from './initial-access-token.ts';
import type { Database } from './pipeline.ts';
import { createRedisAdapter, REDIS_MODELS } from './redis.ts';
import { createRefreshTokenAdapter } from './refresh-token.ts';
import { createRegistrationTokenAdapter } from './registration-token.ts';
import { createReplayDetectionAdapter } from './replay-detection.ts';
import { createSessionAdapter } from './session.ts';

export {
  createPipeline,
  type Database,
  PIPELINE_CONNECTIONS,
  type Pipeline,
} from './pipeline.ts';
export { purgeExpired } from './purge.ts';
export {
  type AccountFacts,
  gatherFirstTokens,
  keepUser,
  noteProof,
  runWithRequestCache,
  takeUser,
} from './request-cache.ts';

export interface AdapterDeps {
  /** Durable writes, each a statement of its own: `createPipeline().writes`, or a `pg.Pool`. */
  pool: Database;
  /** Durable reads, where they have connections of their own. Default: `pool`. */
  reads?: Database;
  /** A connection with auto-pipelining: commands that leave together take one round trip. */
  redis: Redis;
  sealer: Sealer;
  lookups: Lookups;
  clock: Clock;
  sessions: SessionStore;
  sessionLimits: SessionLimits;
  revocations: Revocations;
  clientStore: ClientStore;
  initialAccessTokens: Pick<InitialAccessTokenService, 'find'>;
}

/**
 * Makes the engine's adapter factory. Make it once per process and hand it to
 * every Provider: it holds the second-old copies that introspection uses.
 */
export function createAdapterFactory(deps: AdapterDeps): (model: string) => Adapter {
  const facts = createFacts({ pool: deps.reads ?? deps.pool, clock: deps.clock });
  deps.revocations.onRevoke((entries) => facts.forget(entries));
  return (model) => {
    if (REDIS_MODELS.has(model)) return createRedisAdapter(model, deps);
    switch (model) {
      case 'Grant':
        return createGrantAdapter({ ...deps, facts });
      case 'RefreshToken':
        return createRefreshTokenAdapter({ ...deps, facts });
      case 'Session':
        return createSessionAdapter({ ...deps, facts });
      case 'InitialAccessToken':
        return createInitialAccessTokenAdapter(deps.initialAccessTokens);
      case 'RegistrationAccessToken':
        return createRegistrationTokenAdapter(deps);
      case 'ReplayDetection':
        return createReplayDetectionAdapter(deps);
      case 'Client':
        return createClientAdapter(deps.clientStore);
      default:
        throw new TypeError(`no storage for the model ${model}`);
    }
  };
}
