import type { Knex } from 'knex';
import type { Clock } from '../kernel/clock.ts';
import { eventRow, insertEvent } from '../kernel/event-row.ts';
import type { Emit } from '../kernel/events.ts';

const INSERT = insertEvent('?');

/** The one way to publish an event: a row in the outbox, there only if the change is. */
export function createEmit(clock: Clock): Emit<Knex.Transaction> {
  return async (trx, event, facts, data) => {
    if (!trx.isTransaction) throw new TypeError(`${event.type} emitted outside a transaction`);
    const row = JSON.stringify(eventRow(clock, event, facts, data));
    await trx.raw(INSERT, [row]).options({ name: 'outbox-emit' });
  };
}
