import { z } from 'zod';
import { defineEvent } from '../../kernel/events.ts';

const verified = z.object({
  userId: z.uuid(),
  initial: z
    .boolean()
    .describe('Whether it was there unverified before, as at sign-up, rather than added later'),
});

export const verificationEvents = {
  emailVerified: defineEvent(
    'identity.user.email_verified.v1',
    'A user proved that an e-mail address is theirs.',
    verified,
  ),
  phoneVerified: defineEvent(
    'identity.user.phone_verified.v1',
    'A user proved that a phone number is theirs.',
    verified,
  ),
};
