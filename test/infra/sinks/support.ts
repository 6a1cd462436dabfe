import type { PublishedEvent } from '../../../src/kernel/events.ts';
import { newId } from '../../../src/kernel/ids.ts';

export const ISSUER = 'https://id.example.com';

/** An event with a number in it. */
export const eventOf = (
  subject: string,
  n: number,
  type = 'identity.user.logged_in.v1',
): PublishedEvent => ({
  id: newId(),
  type,
  subject,
  tenantId: newId(),
  actorId: null,
  requestId: null,
  traceparent: null,
  data: { n },
  occurredAt: new Date().toISOString(),
});
