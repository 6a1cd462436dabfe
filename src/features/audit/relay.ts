import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
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

/** The relay from the outbox to the audit log; safe to run in many workers at once. */
export function createOutboxRelay({ knex, clock }: { knex: Knex; clock: Clock }): OutboxRelay {
  const now = () => new Date(clock.now());
  return {
    async drain() {
      let total = 0;
      for (;;) {
        const taken = await knex.transaction((trx) => publishBatch(trx, now(), BATCH));
        total += taken;
        if (taken < BATCH) return total;
      }
    },
    purge: () => deletePublished(knex, new Date(clock.now() - RETENTION), BATCH * 10),
    lag: () => outboxLag(knex, now()),
  };
}
