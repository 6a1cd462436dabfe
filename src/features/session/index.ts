/**
 * Sessions: saved for the engine, listed, and ended with all that hangs on them.
 * Must not decide who may sign in, nor set cookies, nor issue tokens.
 */

export type { Application } from './applications.ts';
export { allowedUser, insertSession, insertSignIn } from './begin.ts';
export { describeDevice, deviceNames } from './device.ts';
export type { ReplayedToken, SessionEnding } from './ending.ts';
export { type EndReason, endReasons, sessionEvents } from './events.ts';
export type { GivenGrant } from './grants.ts';
export {
  type LiveSession,
  type NewSession,
  type SaveResult,
  type Session,
  type SessionBase,
  type SessionSave,
  type SessionStore,
  type StoredAuthorization,
  type StoredAuthorizations,
  session,
} from './schema.ts';
export { createSessionService, type SessionService, sealedAs } from './service.ts';
export { type SessionLimits, touchSession } from './touch.ts';
