import type { Knex } from 'knex';
import type pg from 'pg';
import type { EventSink } from '../../kernel/events.ts';
import { newId } from '../../kernel/ids.ts';
import { createDelivery, type DeliveryOptions } from './delivery.ts';
import { distribute, findDueSinks, purge, readOldest, registerSinks } from './repository.ts';

/** What the database notifies on when events were written. */
export const OUTBOX_CHANNEL = 'outbox';

/** Events taken in one transaction. */
const BATCH = 500;

/** Milliseconds between two looks for what waits for sinks, unless something new does. */
const LOOK_EVERY = 900;

/** Milliseconds that a published event stays in the outbox, for replay. */
const RETENTION = 7 * 24 * 3_600_000;

/** Milliseconds that an event waits for a sink at the longest; the audit log has it all the same. */
const LONGEST_WAIT = 30 * 24 * 3_600_000;

/** Rows that one purge deletes at most. */
const PURGE_BATCH = 5_000;

/** Seconds that the oldest event has waited; 0 where none does. */
export interface OutboxLag {
  /** For the audit log or for any sink. */
  total: number;
  sinks: Record<string, number>;
}

export interface OutboxRelay {
  /** Takes what is new and sets the sinks going, without waiting for them. */
  run(): Promise<void>;
  /**
   * Takes all that is new and gives it to every sink that takes it.
   * @returns how many events were new
   */
  drain(): Promise<number>;
  /** Deletes events that are old and published. @returns how many */
  purge(): Promise<number>;
  lag(): Promise<OutboxLag>;
  /** Lets batches under way end, then closes the sinks. */
  close(): Promise<void>;
}

/**
 * The relay from the outbox to the audit log and the sinks; safe to run in many
 * workers at once.
 */
export function createOutboxRelay(
  options: Omit<DeliveryOptions, 'sink' | 'owner'> & {
    knex: Knex;
    pool: pg.Pool;
    sinks: readonly EventSink[];
  },
): OutboxRelay {
  const { knex, pool, clock, sinks } = options;
  const names = sinks.map(({ name }) => name);
  const owner = newId();
  const deliveries = sinks.map((sink) => createDelivery({ ...options, sink, owner }));
  let registered: Promise<void> | undefined;
  let lookedAt = Number.NEGATIVE_INFINITY;
  const now = () => new Date(clock.now());

  function register(): Promise<void> {
    registered ??= registerSinks(knex, sinks, now()).catch((error: unknown) => {
      registered = undefined;
      throw error;
    });
    return registered;
  }

  async function takeAll(): Promise<{ total: number; isWanted: boolean }> {
    await register();
    const all = { total: 0, isWanted: false };
    for (;;) {
      const { taken, isWanted } = await distribute(pool, now(), BATCH);
      all.total += taken;
      all.isWanted ||= isWanted;
      if (taken < BATCH) return all;
    }
  }

  /** @returns when every sink that could be served has been */
  async function deliver(): Promise<{ done: Promise<unknown> }> {
    const due = await findDueSinks(knex, names, owner, now());
    const served = deliveries.filter(({ name }) => due.includes(name));
    return { done: Promise.all(served.map((delivery) => delivery.run())) };
  }

  const secondsSince = (when: Date | null): number =>
    when ? Math.max(0, (clock.now() - when.getTime()) / 1_000) : 0;

  return {
    async run() {
      const { isWanted } = await takeAll();
      // What failed, or another relay has left, is looked for now and then.
      if (!isWanted && performance.now() - lookedAt < LOOK_EVERY) return;
      lookedAt = performance.now();
      void (await deliver()).done;
    },
    async drain() {
      const { total } = await takeAll();
      await (await deliver()).done;
      return total;
    },
    async purge() {
      await registerSinks(knex, sinks, now());
      const before = {
        published: new Date(clock.now() - RETENTION),
        ultimate: new Date(clock.now() - LONGEST_WAIT),
      };
      return purge(knex, before, PURGE_BATCH);
    },
    async lag() {
      const { unpublished, sinks: each } = await readOldest(knex, names);
      const lags = each.map(({ name, oldest }) => [name, secondsSince(oldest)] as const);
      const total = Math.max(secondsSince(unpublished), ...lags.map(([, seconds]) => seconds));
      return { total, sinks: Object.fromEntries(lags) };
    },
    async close() {
      await Promise.all(deliveries.map((delivery) => delivery.stop()));
      await Promise.all(sinks.map((sink) => sink.close?.()));
    },
  };
}
