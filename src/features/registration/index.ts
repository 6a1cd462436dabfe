/**
 * Who may register clients: initial access tokens (RFC 7591 3), of a tenant, for
 * a time and a number of uses. Must not know what is registered with them.
 */

export type { InitialAccessToken, NewInitialAccessToken } from './schema.ts';
export { createInitialAccessTokenService, type InitialAccessTokenService } from './service.ts';
