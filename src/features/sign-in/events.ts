import { z } from 'zod';
import { defineEvent } from '../../kernel/events.ts';

/** Why a sign-in was refused; told to nobody but the audit log. */
export const failureReasons = [
  'unknown_user',
  'no_password',
  'wrong_password',
  'no_code',
  'wrong_code',
  'wrong_passkey',
  'not_active',
  'ambiguous',
  'locked',
] as const;
export type FailureReason = (typeof failureReasons)[number];

export const signInEvents = {
  loggedIn: defineEvent(
    'identity.user.logged_in.v1',
    'A user proved who they are.',
    z.object({
      userId: z.uuid(),
      clientId: z.string().nullable(),
      amr: z.array(z.string()),
      isNewBrowser: z
        .boolean()
        .optional()
        .describe('Whether the account was used before, but never from this browser'),
      browserId: z
        .uuid()
        .optional()
        .describe('Names a new browser within this service, which knows where it was'),
    }),
  ),
  loginFailed: defineEvent(
    'identity.user.login_failed.v1',
    'A sign-in was refused. The subject is the user, or `unknown` where there is none.',
    z.object({
      userId: z.uuid().nullable(),
      clientId: z.string().nullable(),
      reason: z.enum(failureReasons),
    }),
  ),
  locked: defineEvent(
    'identity.user.locked.v1',
    'Too many failed sign-ins: the account refuses further ones for a while.',
    z.object({ userId: z.uuid().nullable(), until: z.iso.datetime() }),
  ),
};
