import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEventLog } from '../../../src/features/outbox/index.ts';
import { newId } from '../../../src/kernel/ids.ts';
import { counted, createMemorySink, openOutbox, range, TENANT } from './support.ts';

const { knex, clock, write, relay } = await openOutbox();
const log = createEventLog({ knex, clock });
const DAY = 24 * 3_600_000;

const broker = createMemorySink('broker');
const consumers = createMemorySink('consumers');
const one = relay([broker.sink, consumers.sink]);
const filter = (from: number, to: number) => ({ from: new Date(from), to: new Date(to) });

test('a range of time is sent again with the same ids, in order, to brokers and not to our own consumers', async () => {
  const subject = newId();
  await write(subject, 1, 2);
  clock.advance(60_000);
  const from = clock.now();
  await write(subject, 3, 5);
  clock.advance(60_000);
  const to = clock.now();
  await write(subject, 6, 6);
  await one.drain();
  const before = broker.events.map(({ id }) => id);
  const done = await log.replay(filter(from, to));
  assert.deepEqual(done, { sinks: ['broker'], events: 3 });
  await one.drain();
  assert.deepEqual(broker.numbers(subject), [...range(1, 6), ...range(3, 5)]);
  assert.deepEqual(
    broker.events.slice(-3).map(({ id }) => id),
    before.slice(2, 5),
  );
  assert.deepEqual(consumers.numbers(subject), range(1, 6));
});

test('what the outbox no longer has is sent again from the audit log', async () => {
  const subject = newId();
  clock.advance(1_000);
  const from = clock.now();
  await write(subject, 1, 3);
  clock.advance(1_000);
  const to = clock.now();
  await one.drain();
  clock.advance(8 * DAY);
  await one.purge();
  assert.equal((await knex('outbox_events').where({ subject })).length, 0);
  const sent = broker.events.slice(-3);
  assert.equal((await log.replay(filter(from, to), ['broker'])).events, 3);
  await one.drain();
  assert.deepEqual(broker.events.slice(-3), sent, 'the same to the letter');
  assert.equal((await knex('audit_log').where({ subject })).length, 3, 'and logged once');
});

test('types and tenants narrow it; a sink that nobody has is refused', async () => {
  const tenantId = newId();
  const from = clock.now();
  await write(newId(), 1, 1, tenantId);
  await write(newId(), 1, 1, TENANT);
  clock.advance(1);
  await one.drain();
  const range = filter(from, clock.now());
  assert.equal((await log.list(range, 10)).length, 2);
  assert.equal((await log.list({ ...range, tenantId }, 10)).length, 1);
  assert.equal((await log.replay({ ...range, types: ['identity.other.v1'] })).events, 0);
  assert.equal((await log.replay({ ...range, types: [counted.type], tenantId })).events, 1);
  await assert.rejects(log.replay(range, ['nobody']), RangeError);
});
