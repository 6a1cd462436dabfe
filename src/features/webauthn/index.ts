/**
 * WebAuthn credentials: passkeys, which are a way to sign in and a second factor, and
 * what guards them: challenges, counters, their number. Must not sign anybody in.
 */

export { MOST_CREDENTIALS, type WebAuthnDeps } from './common.ts';
export { type WebAuthnRouteDeps, webAuthnRoutes } from './routes.ts';
export {
  assertionAnswer,
  creationOptions,
  registrationAnswer,
  requestOptions,
} from './schema.ts';
export { createWebAuthn, type WebAuthnService } from './service.ts';
export type { RelyingParty } from './verify.ts';
