import { z } from 'zod';

export const activityKinds = [
  'signed-in',
  'sign-in-failed',
  'second-factor-failed',
  'account-locked',
  'session-ended',
  'password-changed',
  'factor-added',
  'factor-removed',
  'factors-reset',
  'recovery-codes-made',
  'recovery-code-used',
  'email-verified',
  'phone-verified',
  'profile-changed',
  'application-removed',
  'tokens-stolen',
  'account-created',
  'account-suspended',
  'account-reactivated',
] as const;
export type ActivityKind = (typeof activityKinds)[number];

export const activityEntry = z
  .object({
    id: z.uuid(),
    at: z.iso.datetime(),
    kind: z.enum(activityKinds),
    sessionId: z.uuid().nullable().describe('The session that began or ended'),
    clientIp: z.string().nullable().describe('Address that the session was begun from'),
    userAgent: z.string().nullable(),
    device: z.string().nullable().describe('In words, such as `Chrome on Windows`'),
    amr: z.array(z.string()).describe('How the person proved who they are (RFC 8176)'),
    reason: z.string().nullable().describe('Why a session ended'),
    factor: z.string().nullable().describe('Kind of authenticator, or way of proof'),
    by: z.string().nullable().describe('Who changed it: `user`, `administrator` or `system`'),
    client: z
      .object({ clientId: z.string(), name: z.string().nullable() })
      .nullable()
      .describe('The application that it was about'),
  })
  .meta({ id: 'ActivityEntry' });
export type ActivityEntry = z.input<typeof activityEntry>;

export const activityPage = z
  .object({
    activity: z.array(activityEntry).describe('The newest first'),
    next: z.string().nullable().describe('`cursor` of the next page; null on the last'),
  })
  .meta({ id: 'ActivityPage' });
export type ActivityPage = z.input<typeof activityPage>;

export const activityQuery = z.object({
  cursor: z.string().min(1).max(200).optional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(100).default(50),
});
