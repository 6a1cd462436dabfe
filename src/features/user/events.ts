import { z } from 'zod';
import { defineEvent } from '../../kernel/events.ts';

export const userEvents = {
  registered: defineEvent(
    'identity.user.registered.v1',
    'A user account was created.',
    z.object({ userId: z.uuid(), status: z.string() }),
  ),
  profileUpdated: defineEvent(
    'identity.user.profile_updated.v1',
    'What is known of a user changed.',
    z.object({
      userId: z.uuid(),
      changed: z.array(z.string()).describe('Names of what changed, without the values'),
    }),
  ),
  passwordChanged: defineEvent(
    'identity.user.password_changed.v1',
    'The password of a user was set or changed.',
    z.object({ userId: z.uuid(), by: z.enum(['user', 'administrator']) }),
  ),
};
