import { activityRoutes } from './features/activity/index.ts';
import { authRoutes, codeRoutes, mfaRoutes, passkeyRoutes } from './features/auth/index.ts';
import {
  type AuthenticatorRouteDeps,
  authenticatorRoutes,
} from './features/authenticator/index.ts';
import { connectedApplicationRoutes } from './features/connected-application/index.ts';
import { passwordRoutes } from './features/password/index.ts';
import { signInRoutes } from './features/sign-in/index.ts';
import { signUpRoutes } from './features/sign-up/index.ts';
import { type UserRouteDeps, userRoutes } from './features/user/index.ts';
import { linkingRoutes, verificationRoutes } from './features/verification/index.ts';
import { type WebAuthnRouteDeps, webAuthnRoutes } from './features/webauthn/index.ts';
import type { Route } from './kernel/http/index.ts';

/** What the routes of the API are made of. */
export interface RouteDeps
  extends Omit<AuthenticatorRouteDeps, 'tenants'>,
    Omit<WebAuthnRouteDeps, 'webauthn'> {
  webauthn: WebAuthnRouteDeps['webauthn'] & Parameters<typeof passkeyRoutes>[0]['webauthn'];
  auth: Parameters<typeof authRoutes>[0];
  mfa: Parameters<typeof mfaRoutes>[0]['mfa'];
  me: UserRouteDeps;
  signIn: Parameters<typeof signInRoutes>[0] &
    Parameters<typeof codeRoutes>[0]['signIn'] &
    Parameters<typeof passkeyRoutes>[0]['signIn'];
  signUp: Parameters<typeof signUpRoutes>[0]['signUp'];
  verification: Parameters<typeof verificationRoutes>[0]['verification'];
  tenants: Parameters<typeof verificationRoutes>[0]['tenants'] & AuthenticatorRouteDeps['tenants'];
  password: Parameters<typeof passwordRoutes>[0]['password'];
  linking: Parameters<typeof linkingRoutes>[0];
  activity: Parameters<typeof activityRoutes>[0]['activity'];
  applications: Parameters<typeof connectedApplicationRoutes>[0]['applications'];
  localeFor: Parameters<typeof connectedApplicationRoutes>[0]['localeFor'];
}

/** The API's whole URL space, below /api/v1. */
export const apiRoutes = (deps: RouteDeps): Route[] => [
  ...signUpRoutes(deps),
  ...authRoutes(deps.auth),
  ...codeRoutes(deps),
  ...passkeyRoutes(deps),
  ...mfaRoutes(deps),
  ...verificationRoutes(deps),
  ...signInRoutes(deps.signIn),
  ...passwordRoutes(deps),
  ...userRoutes(deps.me),
  ...linkingRoutes(deps.linking),
  ...connectedApplicationRoutes(deps),
  ...activityRoutes(deps),
  ...webAuthnRoutes(deps),
  ...authenticatorRoutes(deps),
];
