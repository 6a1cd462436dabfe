import { z } from 'zod';
import { defineEvent } from '../../kernel/events.ts';
import { authenticatorTypes, secondFactorMethods } from './schema.ts';

const userId = z.object({ userId: z.uuid() });
const authenticator = userId.extend({
  authenticatorId: z.uuid(),
  type: z.enum(authenticatorTypes),
});

/** What happens to second factors; those who keep them emit it in the transaction of the change. */
export const mfaEvents = {
  enrolled: defineEvent(
    'identity.user.mfa_enrolled.v1',
    'A user can prove who they are by a further authenticator.',
    authenticator,
  ),
  removed: defineEvent(
    'identity.user.mfa_removed.v1',
    'An authenticator of a user was taken away.',
    authenticator.extend({
      by: z.enum(['user', 'administrator', 'system']).describe('`system`: it may have been cloned'),
    }),
  ),
  renamed: defineEvent(
    'identity.user.mfa_renamed.v1',
    'A user gave an authenticator another name.',
    authenticator,
  ),
  challengeFailed: defineEvent(
    'identity.user.mfa_challenge_failed.v1',
    'A sign-in ended because its second factor was wrong too often.',
    userId.extend({ clientId: z.string().nullable(), method: z.enum(secondFactorMethods) }),
  ),
  recoveryCodesGenerated: defineEvent(
    'identity.user.recovery_codes_generated.v1',
    'A user has new recovery codes; the ones before open nothing any more.',
    userId.extend({
      isFirst: z.boolean().describe('Whether they came with the first authenticator'),
    }),
  ),
  recoveryCodeUsed: defineEvent(
    'identity.user.recovery_code_used.v1',
    'A recovery code took the place of a second factor.',
    userId.extend({ left: z.int().describe('Codes that are still good') }),
  ),
  reset: defineEvent(
    'identity.user.mfa_reset.v1',
    'An administrator took all second factors of a user away and ended all sessions.',
    userId.extend({ removed: z.int().describe('Authenticators that there were') }),
  ),
};
