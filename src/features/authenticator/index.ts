/**
 * All that a person can prove who they are by, whatever its kind: listed, named,
 * taken away. Must not check codes, nor decide when a second factor is due.
 */
export { type AuthenticatorDeps, type Authenticators, createAuthenticators } from './service.ts';
