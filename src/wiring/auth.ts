import type { Config } from '../config.ts';
import { createAuthService } from '../features/auth/index.ts';
import type { SignInService } from '../features/sign-in/index.ts';
import { createFindAccount } from '../oidc/engine.ts';
import { createFirstPartyTokens } from '../oidc/first-party/tokens.ts';
import type { EngineHost } from '../oidc/host.ts';
import type { Features } from './features.ts';

/** Sign-in by the first-party API, and its tokens. */
export function createAuth(
  config: Config,
  features: Features,
  signIn: SignInService,
  engine: () => EngineHost,
) {
  const tokens = createFirstPartyTokens({
    issuer: config.ISSUER,
    provider: () => engine().current().provider,
    findAccount: createFindAccount(features.users),
  });
  const findClient = features.directory.find;
  return createAuthService({ ...features, tokens, signIn, findClient });
}
