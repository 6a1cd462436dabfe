import type { Knex } from 'knex';
import type { Clock } from '../kernel/clock.ts';
import { eventRow } from '../kernel/event-row.ts';
import type { Emit } from '../kernel/events.ts';

/** The one way to publish an event: a row in the outbox, there only if the change is. */
export function createEmit(clock: Clock): Emit<Knex.Transaction> {
  return async (trx, event, facts, data) => {
    if (!trx.isTransaction) throw new TypeError(`${event.type} emitted outside a transaction`);
    const row = eventRow(clock, event, facts, data);
    await trx('outbox_events').insert({ ...row, data: JSON.stringify(row.data) });
  };
}
