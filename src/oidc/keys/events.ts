import { z } from 'zod';
import { defineEvent } from '../../kernel/events.ts';

export const keyEvents = {
  rotated: defineEvent(
    'identity.jwks.rotated.v1',
    'Another key signs from now on, or a key was revoked: what is kept of the JWKS is out of date.',
    z.object({
      alg: z.string(),
      kid: z.string().nullable().describe('The key that signs with this algorithm now'),
      previousKid: z.string().nullable().describe('The key that it replaced, or that was revoked'),
      reason: z.enum(['scheduled', 'requested', 'imported', 'revoked']),
    }),
  ),
};
