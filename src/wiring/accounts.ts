import type { Config } from '../config.ts';
import type { Messenger } from '../features/messaging/index.ts';
import { createUserLifecycle } from '../features/user/index.ts';
import type { Lookups } from '../infra/lookups.ts';
import type { Infrastructure } from '../infrastructure.ts';
import type { EngineHost } from '../oidc/host.ts';
import { createAuth } from './auth.ts';
import { createAuthenticatorParts } from './authenticators.ts';
import type { Features } from './features.ts';
import { createMfa, createSecondFactorGate } from './mfa.ts';
import { createPassword } from './password.ts';
import { createProofs } from './proofs.ts';
import { createAttempts, createBrowsers, createSignIn } from './sign-in.ts';
import { createSignUp } from './sign-up.ts';
import { createVerification } from './verification.ts';

/** What accounts stand on beside the stores and features. */
export interface AccountMeans {
  messenger: Messenger;
  lookups: Lookups;
  /** Keys that device cookies are signed with, the newest first. */
  deviceKeys: readonly Buffer[];
  /** Keys that ids of challenges are signed with, the one that signs first. */
  challengeKeys: readonly Buffer[];
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
  const browsers = createBrowsers(infra, means.deviceKeys);
  const attempts = createAttempts(infra, features);
  const parts = { ...means, ...proofs, ...authenticatorParts, browsers, attempts };
  const gate = createSecondFactorGate(config, infra, features, parts);
  const signIn = createSignIn(infra, features, { ...parts, secondFactor: gate });
  const mfa = createMfa(infra, features, { ...parts, ...gate });
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
    mfa,
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
