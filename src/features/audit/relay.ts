import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import type { EventSink } from '../../kernel/events.ts';
import { deletePublished, outboxLag, publishBatch } from './repository.ts';

/** Events taken in one transaction. */
const BATCH = 200;

/** Milliseconds that a published event stays in the outbox, for replay. */
const RETENTION = 7 * 24 * 3_600_000;

export interface OutboxRelay {
  /** Publishes all that is waiting. @returns how many events */
  drain(): Promise<number>;
  /** Deletes old published events. @returns how many */
  purge(): Promise<number>;
  /** Seconds that the oldest unpublished event has waited. */
  lag(): Promise<number>;
}

/**
 * The relay from the outbox to the audit log and the sinks; safe to run in many
 * workers at once.
 */
export function createOutboxRelay({
  knex,
  clock,
  sinks,
}: {
  knex: Knex;
  clock: Clock;
  sinks: readonly EventSink[];
}): OutboxRelay {
  const now = () => new Date(clock.now());

  async function publish(): Promise<number> {
    return knex.transaction(async (trx) => {
      const events = await publishBatch(trx, now(), BATCH);
      if (events.length > 0) for (const sink of sinks) await sink.publish(events);
      return events.length;
    });
  }

  return {
    async drain() {
      let total = 0;
      for (;;) {
        const taken = await publish();
        total += taken;
        if (taken < BATCH) return total;
      }
    },
    purge: () => deletePublished(knex, new Date(clock.now() - RETENTION), BATCH * 10),
    lag: () => outboxLag(knex, now()),
  };
}
