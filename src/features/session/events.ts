import { z } from 'zod';
import { defineEvent } from '../../kernel/events.ts';

/** Why a session ended before its time. */
export const endReasons = [
  'logout',
  'logout_all',
  'ended_by_user',
  'ended_by_administrator',
  'password_changed',
  'password_reset',
  'mfa_changed',
  'user_suspended',
  'user_deactivated',
  'refresh_replay',
] as const;
export type EndReason = (typeof endReasons)[number];

export const sessionEvents = {
  created: defineEvent(
    'identity.session.created.v1',
    'A user signed in and a session began. The subject is the session.',
    z.object({ sessionId: z.uuid(), userId: z.uuid(), amr: z.array(z.string()) }),
  ),
  revoked: defineEvent(
    'identity.session.revoked.v1',
    'A session ended before its time. The subject is the session.',
    z.object({ sessionId: z.uuid(), userId: z.uuid(), reason: z.enum(endReasons) }),
  ),
  loggedOut: defineEvent(
    'identity.user.logged_out.v1',
    'A user signed out of a session.',
    z.object({ userId: z.uuid(), sessionId: z.uuid() }),
  ),
  applicationRevoked: defineEvent(
    'identity.user.application_revoked.v1',
    'A user took back what an application was allowed; its tokens have ended.',
    z.object({ userId: z.uuid(), clientId: z.string() }),
  ),
  securityIncident: defineEvent(
    'identity.user.security_incident.v1',
    'Something happened that points to stolen credentials: the session was ended, or the authenticator disabled.',
    z.object({
      userId: z.uuid(),
      kind: z
        .enum(['refresh_replay', 'authenticator_cloned'])
        .describe('`authenticator_cloned`: the counter of a passkey went backwards'),
      clientId: z.string().nullable().describe('Null where no client took part'),
      sessionId: z.uuid().nullable(),
    }),
  ),
};
