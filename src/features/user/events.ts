import { z } from 'zod';
import { defineEvent } from '../../kernel/events.ts';

const userId = z.object({ userId: z.uuid() });

export const userEvents = {
  registered: defineEvent(
    'identity.user.registered.v1',
    'A user account was created.',
    userId.extend({ status: z.string() }),
  ),
  registrationRefused: defineEvent(
    'identity.user.registration_refused.v1',
    'Somebody tried to register with the address or number of an account that is there already.',
    userId,
  ),
  profileUpdated: defineEvent(
    'identity.user.profile_updated.v1',
    'What is known of a user changed.',
    userId.extend({
      changed: z.array(z.string()).describe('Names of what changed, without the values'),
    }),
  ),
  passwordChanged: defineEvent(
    'identity.user.password_changed.v1',
    'The password of a user was set or changed.',
    userId.extend({ by: z.enum(['user', 'administrator']) }),
  ),
  suspended: defineEvent(
    'identity.user.suspended.v1',
    'A user may no longer sign in; all sessions have ended.',
    userId,
  ),
  reactivated: defineEvent(
    'identity.user.reactivated.v1',
    'A user who was suspended may sign in again.',
    userId,
  ),
  deactivated: defineEvent(
    'identity.user.deactivated.v1',
    'A user account was erased for good; nothing but its id is left.',
    userId,
  ),
};
