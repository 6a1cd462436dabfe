import { z } from 'zod';
import { defineEvent } from '../../kernel/events.ts';

export const trustedIssuerEvents = {
  changed: defineEvent(
    'identity.trusted_issuer.changed.v1',
    'A tenant began or ceased to trust an issuer. The subject is the entry.',
    z.object({
      issuer: z.string(),
      change: z.enum(['added', 'disabled', 'enabled', 'removed']),
    }),
  ),
  linked: defineEvent(
    'identity.external_identity.linked.v1',
    'A subject of another issuer was linked to a user. The subject of the event is the user.',
    z.object({
      userId: z.uuid(),
      issuer: z.string(),
      by: z.enum(['administrator', 'email', 'username']),
    }),
  ),
};
