/**
 * All that a person can prove who they are by, whatever its kind: listed, named,
 * taken away, by the person or by an administrator. Must not check codes, nor
 * decide when a second factor is due.
 */
export { type AuthenticatorConsumerDeps, authenticatorConsumers } from './consumers.ts';
export { createMfaReset, type MfaReset } from './reset.ts';
export { type AuthenticatorRouteDeps, authenticatorRoutes } from './routes.ts';
export { newAuthenticator, toAuthenticator } from './schema.ts';
export {
  type AuthenticatorDeps,
  type Authenticators,
  createAuthenticators,
  type Factors,
} from './service.ts';
