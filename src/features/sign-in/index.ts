/**
 * Sign-in: which tenant, which user, how many tries, and the one door that every
 * way to sign in ends at. The hosted pages and the JSON API call the same
 * functions; neither has rules of its own. Must not render pages or issue tokens.
 */
export {
  type Admissible,
  createAdmission,
  type Proof,
  proofBy,
  type SecondFactorCheck,
  type SignedIn,
} from './admission.ts';
export { ADDRESS_POLICY, type AttemptLimits, createAttemptLimits } from './attempts.ts';
export { BROWSER_AGE, createKnownBrowsers, type KnownBrowsers } from './browsers.ts';
export type { Candidate, Claim } from './candidates.ts';
export { signInConsumers } from './consumers.ts';
export { createDeviceCookieCodec } from './device-cookie.ts';
export { signInEvents } from './events.ts';
export {
  accountKey,
  createLockCheck,
  createUnlocking,
  type LockCheck,
  type Unlocking,
} from './lockout.ts';
export { signInRoutes } from './routes.ts';
export { createSignInService, type SignInService } from './service.ts';
export type { SignInResult } from './tries.ts';
export { type CodeProof, type CodeRequest, createCodeSignIn } from './with-code.ts';
export { createPasskeySignIn, type PasskeySignIn } from './with-passkey.ts';
