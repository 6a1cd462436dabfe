import { after } from 'node:test';
import { z } from 'zod';
import { createOutboxRelay } from '../../../src/features/outbox/index.ts';
import { createEmit } from '../../../src/infra/outbox.ts';
import { createPostgres } from '../../../src/infra/postgres.ts';
import type { Clock } from '../../../src/kernel/clock.ts';
import { defineEvent, type EventSink, type PublishedEvent } from '../../../src/kernel/events.ts';
import { createFakeClock, type FakeClock } from '../../helpers/clock.ts';
import { createDatabase } from '../../helpers/database.ts';

/** An event that only counts. */
export const counted = defineEvent('identity.test.counted.v1', 'A count', z.object({ n: z.int() }));

export const TENANT = '01900000-0000-7000-8000-00000000000a';

/** A database of the caller's own, to write events to. */
export async function openOutbox() {
  const url = await createDatabase();
  const open = () => {
    const postgres = createPostgres({
      url,
      poolSize: 30,
      acquireTimeout: 30_000,
      statementTimeout: 30_000,
      onError() {},
    });
    after(() => postgres.close());
    return postgres;
  };
  const { knex, pool } = open();
  const clock: FakeClock = createFakeClock();
  const emit = createEmit(clock);
  /** Writes events of one subject, numbered, each with its own transaction. */
  async function write(
    subject: string,
    from: number,
    to: number,
    tenantId: string | null = TENANT,
  ) {
    for (let n = from; n <= to; n += 1) {
      await knex.transaction((trx) =>
        emit(trx, counted, { subject, tenantId, actorId: null }, { n }),
      );
    }
  }
  const relay = (
    sinks: readonly EventSink[],
    options: { clock?: Clock; onFailure?: (sink: string, error: unknown) => void } = {},
  ) => createOutboxRelay({ knex, pool, clock, sinks, ...options });
  return { url, knex, clock, emit, write, relay };
}

export type Outbox = Awaited<ReturnType<typeof openOutbox>>;

/** A sink that keeps what it is given, and fails while it is told to. */
export function createMemorySink(name: string) {
  const events: PublishedEvent[] = [];
  const state = { isDown: false, isAsked: false, wait: undefined as Promise<void> | undefined };
  const sink: EventSink = {
    name,
    async publish(batch) {
      state.isAsked = true;
      await state.wait;
      if (state.isDown) throw new Error(`${name} is down`);
      events.push(...batch);
    },
  };
  /** The numbers that came of one subject. */
  const numbers = (subject: string) =>
    events.filter((event) => event.subject === subject).map(({ data }) => data.n);
  return { sink, events, state, numbers };
}

export const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);
