import type { z } from 'zod';
import type { Clock } from './clock.ts';
import { currentRequest } from './current-request.ts';
import type { EventFacts, EventType } from './events.ts';
import { newId } from './ids.ts';

/** Columns of the outbox, as they are given when an event is written. */
const COLUMNS = {
  id: 'uuid',
  type: 'text',
  subject: 'text',
  tenant_id: 'uuid',
  actor_id: 'text',
  request_id: 'text',
  traceparent: 'text',
  data: 'jsonb',
  occurred_at: 'timestamptz',
};

const NAMES = Object.keys(COLUMNS).join(', ');
const TYPED = Object.entries(COLUMNS).map((pair) => pair.join(' '));

/**
 * The row that an event becomes in the outbox.
 * @throws z.ZodError when `data` does not fit the declared schema
 */
export function eventRow<S extends z.ZodObject>(
  clock: Clock,
  event: EventType<S>,
  facts: EventFacts,
  data: z.input<S>,
) {
  const request = currentRequest();
  return {
    id: newId(),
    type: event.type,
    subject: facts.subject,
    tenant_id: facts.tenantId,
    actor_id: facts.actorId === undefined ? (request?.actorId ?? null) : facts.actorId,
    request_id: request?.requestId ?? null,
    traceparent: request?.traceparent ?? null,
    data: event.data.parse(data),
    occurred_at: new Date(clock.now()),
  };
}

/**
 * SQL that writes an event.
 * @param parameter where the statement is given the row of `eventRow` as JSON, such as `$1`
 * @param source where it is part of the statement that makes the change: what has a row if
 *   that is made, so that there is no event without it
 */
export const insertEvent = (parameter: string, source?: string): string =>
  `INSERT INTO outbox_events (${NAMES})
   SELECT e.* FROM json_to_record(${parameter}::json) AS e(${TYPED.join(', ')})
   ${source === undefined ? '' : `, ${source}`}`;
