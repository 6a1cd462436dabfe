import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import type { EventSink } from '../../../src/kernel/events.ts';
import { newId } from '../../../src/kernel/ids.ts';
import { becomesTrue } from '../../flows/support.ts';
import { counted, createMemorySink, openOutbox, range, TENANT } from './support.ts';

const outbox = await openOutbox();
const { knex, clock, write, relay, emit } = outbox;

const DAY = 24 * 3_600_000;

/** Lets every relay of a test take part until nothing waits for its sinks. */
async function settleAll(relays: ReturnType<typeof relay>[], sinks: string[]): Promise<void> {
  const isQuiet = async (): Promise<boolean> => {
    await Promise.all(relays.map((one) => one.drain()));
    return (await knex('outbox_deliveries').whereIn('sink', sinks).limit(1)).length === 0;
  };
  assert.ok(await becomesTrue(isQuiet, 30_000), 'all was delivered');
}

test('every sink gets every event, and a sink that is down holds up neither the others nor the audit log', async () => {
  const up = createMemorySink('up');
  const down = createMemorySink('down');
  down.state.isDown = true;
  const failures: string[] = [];
  const one = relay([down.sink, up.sink], { onFailure: (sink) => void failures.push(sink) });
  const subject = newId();
  await write(subject, 1, 5);
  assert.equal(await one.drain(), 5);
  assert.deepEqual(up.numbers(subject), range(1, 5));
  assert.equal((await knex('audit_log').where({ subject })).length, 5);
  assert.deepEqual(down.numbers(subject), []);
  assert.deepEqual(failures, ['down']);

  clock.advance(10_000);
  const lag = await one.lag();
  assert.ok(lag.total >= 10 && (lag.sinks.down ?? 0) >= 10, 'the lag tells');
  assert.equal(lag.sinks.up, 0);

  down.state.isDown = false;
  await one.drain();
  assert.deepEqual(down.numbers(subject), range(1, 5), 'later, and in order');
  assert.equal((await one.lag()).total, 0);
  await one.close();
});

test('a sink that fails is left alone for a while, longer each time, by all relays together', async () => {
  const flaky = createMemorySink('flaky');
  flaky.state.isDown = true;
  const failures: string[] = [];
  const options = { onFailure: (sink: string) => void failures.push(sink) };
  const [one, two] = [relay([flaky.sink], options), relay([flaky.sink], options)];
  await write(newId(), 1, 1);
  for (const pause of [1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
    const before = failures.length;
    await one.drain();
    assert.equal(failures.length, before + 1, `tried once, then a pause of ${pause} ms`);
    await two.drain();
    clock.advance(pause - 1);
    await two.drain();
    await one.drain();
    assert.equal(failures.length, before + 1, `nobody tries within ${pause} ms`);
    clock.advance(1);
  }
  flaky.state.isDown = false;
  await two.drain();
  assert.equal(flaky.events.length, 1);
});

test('order per subject is kept for each sink, with many relays, failures and writers at once', async () => {
  const [north, south] = [createMemorySink('north'), createMemorySink('south')];
  const relays = Array.from({ length: 4 }, () => relay([north.sink, south.sink]));
  const subjects = Array.from({ length: 8 }, () => newId());
  let isWritten = false;
  const writing = Promise.all(subjects.map((subject) => write(subject, 1, 30))).then(() => {
    isWritten = true;
  });
  let turn = 0;
  while (!isWritten) {
    turn += 1;
    north.state.isDown = turn % 3 === 0;
    south.state.isDown = turn % 4 === 0;
    await Promise.all(relays.map((one) => one.drain()));
    clock.advance(20_000);
  }
  await writing;
  north.state.isDown = false;
  south.state.isDown = false;
  clock.advance(20_000);
  await settleAll(relays, ['north', 'south']);
  for (const sink of [north, south]) {
    for (const subject of subjects) assert.deepEqual(sink.numbers(subject), range(1, 30));
  }
});

test('what commits late is not passed over (identity values are drawn before the commit)', async () => {
  const sink = createMemorySink('late');
  const one = relay([sink.sink]);
  const late = newId();
  const slow = await knex.transaction();
  await emit(slow, counted, { subject: late, tenantId: TENANT }, { n: 1 });
  const early = newId();
  await write(early, 1, 1);
  await one.drain();
  assert.deepEqual([sink.numbers(early), sink.numbers(late)], [[1], []]);
  await slow.commit();
  await one.drain();
  assert.deepEqual(sink.numbers(late), [1]);
});

test('a relay that lost its lease while it published delivers nothing more, and what it had comes again', async () => {
  const [first, second] = [createMemorySink('leased'), createMemorySink('leased')];
  const [one, two] = [relay([first.sink]), relay([second.sink])];
  const subject = newId();
  await write(subject, 1, 3);
  const { promise, resolve } = Promise.withResolvers<void>();
  first.state.wait = promise;
  const stuck = one.drain();
  assert.ok(await becomesTrue(() => first.state.isAsked, 10_000));
  await two.drain();
  assert.deepEqual(second.events, [], 'one relay at a time');
  await knex('outbox_sinks')
    .where({ name: 'leased' })
    .update({ leased_until: new Date(0) });
  await two.drain();
  assert.deepEqual(second.numbers(subject), [1, 2, 3]);
  await write(subject, 4, 4);
  resolve();
  await stuck;
  assert.deepEqual(first.numbers(subject), [1, 2, 3], 'at least once');
  await two.drain();
  assert.deepEqual(second.numbers(subject), [1, 2, 3, 4]);
});

test('the transaction that writes events wakes the relay with its commit, once', async () => {
  const client = new pg.Client(outbox.url);
  await client.connect();
  const words: string[] = [];
  client.on('notification', ({ channel }) => void words.push(channel));
  await client.query('LISTEN outbox');
  await knex.transaction(async (trx) => {
    for (const n of range(1, 5)) {
      await emit(trx, counted, { subject: newId(), tenantId: TENANT }, { n });
    }
    await client.query('SELECT 1');
    assert.deepEqual(words, [], 'not before the commit');
  });
  await knex
    .transaction(async (trx) => {
      await emit(trx, counted, { subject: newId(), tenantId: TENANT }, { n: 1 });
      throw new Error('undone');
    })
    .catch(() => {});
  await client.query('SELECT 1');
  assert.deepEqual(words, ['outbox']);
  await client.end();
});

test('an event that a relay of the release before marks is handed to the sinks all the same', async () => {
  const sink = createMemorySink('rolling');
  const one = relay([sink.sink]);
  await one.drain();
  const subject = newId();
  await write(subject, 1, 2);
  await knex('outbox_events').where({ subject }).update({ published_at: new Date() });
  await one.drain();
  assert.deepEqual(sink.numbers(subject), [1, 2]);
});

test('storage is bounded: a week for what every sink has, a month for the rest, a week for a sink that nobody has', async () => {
  const kept = createMemorySink('kept');
  const gone = createMemorySink('gone');
  gone.state.isDown = true;
  kept.state.isDown = true;
  await relay([gone.sink]).drain();
  const one = relay([kept.sink]);
  const subject = newId();
  await write(subject, 1, 1);
  await one.drain();
  const isThere = async () => (await knex('outbox_events').where({ subject })).length === 1;
  const waiting = (sink: string) => knex('outbox_deliveries').where({ sink });

  clock.advance(8 * DAY);
  await one.purge();
  assert.ok(await isThere(), 'the sink has not got it yet');
  assert.equal((await waiting('gone')).length, 0);
  assert.equal((await knex('outbox_sinks').where({ name: 'gone' })).length, 0);

  kept.state.isDown = false;
  await one.drain();
  assert.deepEqual(kept.numbers(subject), [1]);
  await one.purge();
  assert.ok(!(await isThere()));

  kept.state.isDown = true;
  await write(subject, 2, 2);
  await one.drain();
  clock.advance(31 * DAY);
  await one.purge();
  assert.ok(!(await isThere()));
  assert.equal((await waiting('kept')).length, 0);
  assert.equal((await knex('audit_log').where({ subject })).length, 2, 'the audit log has both');
});

test('a relay that is closed ends the batch under way and leaves the rest to others', async () => {
  const sink = createMemorySink('closing');
  const [one, two] = [relay([sink.sink]), relay([sink.sink])];
  const subject = newId();
  await write(subject, 1, 2);
  const { promise, resolve } = Promise.withResolvers<void>();
  sink.state.wait = promise;
  await one.run();
  assert.ok(await becomesTrue(() => sink.state.isAsked, 10_000));
  const closed = one.close();
  await write(subject, 3, 3);
  resolve();
  await closed;
  assert.deepEqual(sink.numbers(subject), [1, 2]);
  await two.drain();
  assert.deepEqual(sink.numbers(subject), [1, 2, 3]);
});

test('a sink that names what it wants is given nothing else, and nothing else waits for it', async () => {
  const [picky, greedy] = [createMemorySink('picky'), createMemorySink('greedy')];
  const wanting = (n: number): EventSink => ({
    ...picky.sink,
    wants: () => [{ type: counted.type, data: { n } }, { type: 'identity.test.other.v1' }],
  });
  const one = relay([wanting(2), greedy.sink]);
  const subject = newId();
  await write(subject, 1, 3);
  await one.drain();
  assert.deepEqual(picky.numbers(subject), [2]);
  assert.deepEqual(greedy.numbers(subject), [1, 2, 3]);
  assert.equal((await knex('audit_log').where({ subject })).length, 3, 'it is logged all the same');

  const next = relay([wanting(3)]);
  // What it wants is known before the events come: those of before are not taken back.
  await next.drain();
  await write(subject, 2, 4);
  await settleAll([next, one], ['picky', 'greedy']);
  assert.deepEqual(picky.numbers(subject), [2, 2, 3], 'what either release wants, while both run');
});
