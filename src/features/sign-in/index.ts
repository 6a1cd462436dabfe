/**
 * Sign-in with a password: which tenant, which user, how many tries.
 * The hosted pages and the JSON API call the same functions; neither has rules
 * of its own. Must not render pages or issue tokens.
 */
export { createAttemptLimits } from './attempts.ts';
export { signInEvents } from './events.ts';
export { createSignInService, type SignedIn, type SignInService } from './service.ts';
