import { z } from 'zod';
import { defineEvent } from '../../kernel/events.ts';

export const tokenExchangeEvents = {
  exchanged: defineEvent(
    'identity.token.exchanged.v1',
    'A token was exchanged for another (RFC 8693). The subject is the user that both stand for.',
    z.object({
      userId: z.uuid(),
      clientId: z.string().describe('The client that asked and got the new token'),
      kind: z
        .enum(['down_scoping', 'delegation', 'impersonation', 'federation'])
        .describe('`impersonation`: it changed hands, and no actor says so'),
      subjectClientId: z.string().nullable().describe('The client that held the subject token'),
      subjectIssuer: z.string().nullable().describe('The trusted issuer, where it was not ours'),
      actors: z.array(z.string()).describe('Users or clients that act, the present one first'),
      audience: z.string(),
      scope: z.string(),
    }),
  ),
};
