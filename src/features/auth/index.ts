/**
 * The first-party API's sign-in: tokens for people who have proved who they are,
 * and their sessions. Must not decide who may sign in, nor make tokens itself:
 * the engine does.
 */
export { codeRoutes } from './code-routes.ts';
export { mfaRoutes } from './mfa-routes.ts';
export { passkeyRoutes } from './passkey-routes.ts';
export { authRoutes } from './routes.ts';
export { type TokenResponse, tokenResponse } from './schema.ts';
export { type AuthService, createAuthService } from './service.ts';
export type { TokenSet, Tokens } from './tokens.ts';
