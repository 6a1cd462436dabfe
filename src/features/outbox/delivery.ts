import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import type { EventSink, PublishedEvent } from '../../kernel/events.ts';
import {
  type Lease,
  noteFailure,
  readWaiting,
  releaseLease,
  settle,
  takeLease,
} from './repository.ts';

/** Events that a sink is given at once. */
const BATCH = 200;

/** Milliseconds that a sink has for a batch. */
const PUBLISH_TIMEOUT = 10_000;

/** Milliseconds after which another relay takes a sink over; longer than a batch may take. */
const LEASE = 15_000;

/** Milliseconds before a sink that failed is tried again: doubled each time, up to the longest. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 15_000;

export interface DeliveryOptions {
  knex: Knex;
  clock: Clock;
  sink: EventSink;
  /** Names this relay among all; a UUID. */
  owner: string;
  onPublished?(sink: string, count: number): void;
  onFailure?(sink: string, error: unknown, failures: number): void;
}

export interface SinkDelivery {
  name: string;
  /**
   * Gives the sink all that waits for it, what comes meanwhile included, unless
   * another relay does or the sink has to wait. Never rejects.
   */
  run(): Promise<void>;
  /** Lets the batch under way end, and begins no other. */
  stop(): Promise<void>;
}

async function publishInTime(sink: EventSink, events: PublishedEvent[]): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`the sink ${sink.name} does not answer`)),
    PUBLISH_TIMEOUT,
  );
  await Promise.race([sink.publish(events), late]).finally(() => clearTimeout(timer));
}

/** Delivers to one sink; each has its own, so that one that is down holds up no other. */
export function createDelivery(options: DeliveryOptions): SinkDelivery {
  const { knex, clock, sink, owner } = options;
  const lease: Lease = { sink: sink.name, owner, milliseconds: LEASE };
  let running: Promise<void> | undefined;
  let isAskedAgain = false;
  let isStopped = false;

  const retryAt = (failures: number): Date => {
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures - 1, 10));
    return new Date(clock.now() + pause);
  };

  async function deliverAll(): Promise<void> {
    while (!isStopped) {
      const batch = await readWaiting(knex, sink.name, BATCH);
      if (batch.length === 0) return;
      await publishInTime(
        sink,
        batch.map(({ event }) => event),
      );
      if (!(await settle(knex, lease, batch))) return;
      options.onPublished?.(sink.name, batch.length);
    }
  }

  async function serve(): Promise<void> {
    if (isStopped || !(await takeLease(knex, lease, new Date(clock.now())))) return;
    try {
      await deliverAll();
    } catch (error) {
      options.onFailure?.(sink.name, error, await noteFailure(knex, lease, retryAt));
      return;
    }
    await releaseLease(knex, lease);
  }

  async function serveAll(): Promise<void> {
    do {
      isAskedAgain = false;
      await serve();
    } while (isAskedAgain);
  }

  return {
    name: sink.name,
    run() {
      if (running) isAskedAgain = true;
      // What fails here is the database: a later turn tries again.
      running ??= serveAll()
        .catch((error: unknown) => options.onFailure?.(sink.name, error, 0))
        .finally(() => {
          running = undefined;
        });
      return running;
    },
    async stop() {
      isStopped = true;
      await running;
    },
  };
}
