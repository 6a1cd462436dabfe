import { mfaEvents } from '../mfa/index.ts';
import { sessionEvents } from '../session/index.ts';
import { signInEvents } from '../sign-in/index.ts';
import { userEvents } from '../user/index.ts';
import { verificationEvents } from '../verification/index.ts';
import type { ActivityKind } from './schema.ts';

/**
 * The events that a person's history tells. Sign-ins are not among them: they come
 * from a history of their own, which knows where each came from.
 */
const KINDS: [{ type: string }, ActivityKind][] = [
  [signInEvents.loginFailed, 'sign-in-failed'],
  [signInEvents.locked, 'account-locked'],
  [mfaEvents.challengeFailed, 'second-factor-failed'],
  [mfaEvents.enrolled, 'factor-added'],
  [mfaEvents.removed, 'factor-removed'],
  [mfaEvents.reset, 'factors-reset'],
  [mfaEvents.recoveryCodesGenerated, 'recovery-codes-made'],
  [mfaEvents.recoveryCodeUsed, 'recovery-code-used'],
  [sessionEvents.revoked, 'session-ended'],
  [sessionEvents.applicationRevoked, 'application-removed'],
  [sessionEvents.securityIncident, 'tokens-stolen'],
  [userEvents.passwordChanged, 'password-changed'],
  [userEvents.profileUpdated, 'profile-changed'],
  [userEvents.registered, 'account-created'],
  [userEvents.suspended, 'account-suspended'],
  [userEvents.reactivated, 'account-reactivated'],
  [verificationEvents.emailVerified, 'email-verified'],
  [verificationEvents.phoneVerified, 'phone-verified'],
];

const kinds = new Map(KINDS.map(([{ type }, kind]) => [type, kind]));

/** The event that ends a session; its subject is the session. */
export const ENDED = sessionEvents.revoked.type;

/** Types of events whose subject is the user. */
export const ABOUT_USER = [...kinds.keys()].filter((type) => type !== ENDED);

/** What an entry tells; null as type: a sign-in. */
export const kindOf = (type: string | null): ActivityKind =>
  (type === null ? undefined : kinds.get(type)) ?? 'signed-in';
