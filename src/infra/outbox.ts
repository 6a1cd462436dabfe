import type { Knex } from 'knex';
import type { Clock } from '../kernel/clock.ts';
import { currentRequest } from '../kernel/current-request.ts';
import type { Emit } from '../kernel/events.ts';
import { newId } from '../kernel/ids.ts';

/** The one way to publish an event: a row in the outbox, there only if the change is. */
export function createEmit(clock: Clock): Emit<Knex.Transaction> {
  return async (trx, event, facts, data) => {
    if (!trx.isTransaction) throw new TypeError(`${event.type} emitted outside a transaction`);
    const request = currentRequest();
    await trx('outbox_events').insert({
      id: newId(),
      type: event.type,
      subject: facts.subject,
      tenant_id: facts.tenantId,
      actor_id: facts.actorId === undefined ? (request?.actorId ?? null) : facts.actorId,
      request_id: request?.requestId ?? null,
      traceparent: request?.traceparent ?? null,
      data: JSON.stringify(event.data.parse(data)),
      occurred_at: new Date(clock.now()),
    });
  };
}
