import type { Config } from '../config.ts';
import type { Messenger } from '../features/messaging/index.ts';
import { createUserLifecycle } from '../features/user/index.ts';
import type { Lookups } from '../infra/lookups.ts';
import type { Infrastructure } from '../infrastructure.ts';
import type { EngineHost } from '../oidc/host.ts';
import { createAuth } from './auth.ts';
import { createAuthenticatorParts } from './authenticators.ts';
import type { Features } from './features.ts';
import { createPassword } from './password.ts';
import { createProofs } from './proofs.ts';
import { createSignIn } from './sign-in.ts';
import { createSignUp } from './sign-up.ts';
import { createVerification } from './verification.ts';

/** What accounts stand on beside the stores and features. */
export interface AccountMeans {
  messenger: Messenger;
  lookups: Lookups;
  /** Keys that device cookies are signed with, the newest first. */
  deviceKeys: readonly Buffer[];
  engine(): EngineHost;
}

/** How people get an account, prove that it is theirs, and keep it. */
export function createAccounts(
  config: Config,
  infra: Infrastructure,
  features: Features,
  means: AccountMeans,
) {
  const proofs = createProofs(infra, means.lookups, features.rateLimits);
  const authenticatorParts = createAuthenticatorParts(config, infra, features, means);
  const signIn = createSignIn(infra, features, { ...means, ...proofs });
  const auth = createAuth(config, features, signIn, means.engine);
  const proving = createVerification(config, infra, features, means, { signIn, ...proofs });
  const password = createPassword(config, infra, features, means, { signIn, ...proofs });
  const lifecycle = createUserLifecycle({
    ...features,
    knex: infra.postgres.knex,
    clock: infra.clock,
    sealer: infra.sealer,
    messenger: means.messenger,
    onBackgroundError: (error) => infra.log.error({ err: error }, 'background work failed'),
  });
  const signUp = createSignUp(infra, features, lifecycle);
  return {
    signIn,
    signUp,
    auth,
    password,
    lifecycle,
    ...proofs,
    ...proving,
    ...authenticatorParts,
  };
}

export type Accounts = ReturnType<typeof createAccounts>;
