import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { after, test } from 'node:test';
import pg from 'pg';
import { createNotifications } from '../../src/infra/notifications.ts';
import { becomesTrue } from '../flows/support.ts';
import { createDatabase } from '../helpers/database.ts';

const url = await createDatabase();
const database = new pg.Pool({ connectionString: url, max: 1 });
database.on('error', () => {});
after(() => database.end());

/** Milliseconds; a connection that was lost is tried again each second. */
const PATIENCE = 20_000;

function create() {
  const errors: Error[] = [];
  const notifications = createNotifications({
    url,
    createSocket: () => new Socket(),
    connectTimeout: 3_000,
    onError: (error) => errors.push(error),
  });
  after(() => notifications.close());
  const counts: Record<string, number> = {};
  const listen = (channel: string): void => {
    notifications.listen(channel, () => {
      counts[channel] = (counts[channel] ?? 0) + 1;
    });
  };
  return { notifications, errors, counts, listen };
}

const notify = (channel: string) => database.query('SELECT pg_notify($1, $2)', [channel, '']);

const backends = async (): Promise<number[]> => {
  const { rows } = await database.query(
    `SELECT pid FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'gatehouse-notifications'`,
  );
  return rows.map(({ pid }) => pid);
};

test('a listener is told when it is connected, and at each word on its channel', async () => {
  const { counts, listen } = create();
  listen('one');
  assert.ok(await becomesTrue(() => counts.one === 1, PATIENCE));
  listen('two');
  assert.ok(await becomesTrue(() => counts.two === 1, PATIENCE));
  await notify('one');
  assert.ok(await becomesTrue(() => counts.one === 2, PATIENCE));
  await notify('two');
  assert.ok(await becomesTrue(() => counts.two === 2, PATIENCE));
  assert.equal(counts.one, 2);
});

test('a change that is rolled back is not told', async () => {
  const { counts, listen } = create();
  listen('three');
  assert.ok(await becomesTrue(() => counts.three === 1, PATIENCE));
  await database.query("BEGIN; SELECT pg_notify('three', ''); ROLLBACK");
  await notify('three');
  assert.ok(await becomesTrue(() => counts.three === 2, PATIENCE));
});

test('a connection that is lost comes back by itself, and what was missed is made up for', async () => {
  const { counts, errors, listen } = create();
  listen('four');
  assert.ok(await becomesTrue(() => counts.four === 1, PATIENCE));
  for (const pid of await backends())
    await database.query('SELECT pg_terminate_backend($1)', [pid]);
  await notify('four');
  assert.ok(await becomesTrue(() => (counts.four ?? 0) >= 2, PATIENCE));
  assert.equal(errors.length, 1, 'told once');
  const before = counts.four ?? 0;
  await notify('four');
  assert.ok(await becomesTrue(() => (counts.four ?? 0) > before, PATIENCE));
});

test('after close there is neither a connection nor an attempt at one', async () => {
  const { notifications, counts, errors, listen } = create();
  listen('five');
  assert.ok(await becomesTrue(() => counts.five === 1, PATIENCE));
  const before = (await backends()).length;
  await notifications.close();
  assert.ok(await becomesTrue(async () => (await backends()).length === before - 1, PATIENCE));
  assert.deepEqual(errors, []);
});
