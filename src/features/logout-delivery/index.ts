/**
 * Back-channel logouts: which client is owed one, and what became of it.
 * Must not decide when a session ends, nor make tokens: the engine does.
 */

export { recordLogouts } from './repository.ts';
export type { Logout, LogoutAnswer, LogoutFailure, LogoutResult, SendLogout } from './schema.ts';
export { createLogoutDelivery, type LogoutDelivery } from './service.ts';
