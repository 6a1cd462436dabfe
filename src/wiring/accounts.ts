import type { Config } from '../config.ts';
import type { Messenger } from '../features/messaging/index.ts';
import { createAttemptLimits, createSignInService } from '../features/sign-in/index.ts';
import { securityEvent } from '../infra/logger.ts';
import type { Lookups } from '../infra/lookups.ts';
import { ipBucket } from '../infra/rate-limits.ts';
import type { Infrastructure } from '../infrastructure.ts';
import type { EngineHost } from '../oidc/host.ts';
import type { Features } from './features.ts';
import { createProofs } from './proofs.ts';

/** Logs and counts what came of each sign-in. */
const reportSignIn =
  ({ log, metrics }: Infrastructure): Parameters<typeof createSignInService>[0]['onResult'] =>
  (result, facts) => {
    metrics.loginTotal.inc({ result });
    if (result === 'locked') securityEvent(log, 'auth.lockout', facts);
    if (result === 'rate_limited') securityEvent(log, 'auth.rate_limited', facts);
    if (result === 'busy') securityEvent(log, 'auth.hash_busy', facts);
    if (result === 'failure') securityEvent(log, 'auth.login_failed', facts);
  };

/** What accounts stand on beside the stores and features. */
export interface AccountMeans {
  messenger: Messenger;
  lookups: Lookups;
  engine(): EngineHost;
}

/** How people get an account, prove that it is theirs, and keep it. */
export function createAccounts(
  _config: Config,
  infra: Infrastructure,
  features: Features,
  means: AccountMeans,
) {
  const { log, passwords, clock } = infra;
  const { knex } = infra.postgres;
  const { emit, users, tenants, rateLimits } = features;
  const signIn = createSignInService({
    knex,
    clock,
    emit,
    passwords,
    users,
    tenants,
    attempts: createAttemptLimits(rateLimits, clock, ipBucket),
    onResult: reportSignIn(infra),
    onBackgroundError: (error) => log.error({ err: error }, 'background work failed'),
  });
  const proofs = createProofs(infra, means.lookups);
  return { signIn, ...proofs };
}

export type Accounts = ReturnType<typeof createAccounts>;
