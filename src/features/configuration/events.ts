import { z } from 'zod';
import { defineEvent } from '../../kernel/events.ts';

export const configurationEvents = {
  changed: defineEvent(
    'identity.configuration.changed.v1',
    'A setting of the platform or of a tenant was changed while the service runs. The subject is the entry; values are not told.',
    z.object({
      group: z.enum(['MAIL', 'SMS']),
      key: z.string(),
      change: z.enum(['set', 'unset']),
      version: z.int(),
    }),
  ),
};
