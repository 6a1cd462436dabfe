import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertUnavailablePage,
  assertUnavailableProblem,
  canSignIn,
  type Prepared,
  prepare,
} from './outage.ts';
import { during, install, memoryOf, until } from './support.ts';

const installation = await install('postgres');
const { postgres } = installation.stores;

/** A hang is a failure, not a wait. */
const LIMIT = { timeout: 60_000 };

const FROZEN = 20_000;
const DEAD = 10_000;
/** Milliseconds within which all must be well again, without a restart. */
const RECOVERY = 8_000;

async function assertDegraded(prepared: Prepared): Promise<void> {
  await prepared.assertOfflineWorks();
  const [ready, authorize, me, refreshed, introspected] = await Promise.all([
    prepared.ready(),
    prepared.authorize(),
    prepared.me(),
    prepared.refresh(),
    prepared.introspect(),
  ]);
  assert.equal(ready.status, 503);
  assert.deepEqual(ready.json.dependencies, { postgres: 'down', redis: 'up' });
  assert.deepEqual(ready.json.stillWorks, ['jwks', 'discovery']);
  assertUnavailablePage(authorize, 'a new sign-in');
  assertUnavailableProblem(me);
  for (const answer of [refreshed, introspected]) {
    assert.equal(answer.status, 503, JSON.stringify(answer.body));
    assert.equal(answer.body.error, 'temporarily_unavailable');
  }
}

async function assertRecovered(): Promise<void> {
  await until(() => canSignIn(installation), RECOVERY, 'recovery');
  const isReady = async () => (await fetch(`${installation.url}/health/ready`)).status === 200;
  await until(isReady, 2_000, 'readiness');
}

test(
  'Postgres frozen for 20 s: keys and metadata go on, the rest says 503 in time, all recovers',
  LIMIT,
  async () => {
    const prepared = await prepare(installation);
    const before = memoryOf(installation.server.pid);
    postgres.freeze();
    try {
      await until(async () => (await prepared.ready()).status === 503, 5_000, 'notices');
      await during(FROZEN, () => assertDegraded(prepared));
    } finally {
      postgres.thaw();
    }
    await assertRecovered();
    const grown = memoryOf(installation.server.pid) - before;
    assert.ok(grown < 100, `memory grew by ${grown} MiB`);
  },
);

test('Postgres killed and started again: the same, and nothing hangs', LIMIT, async () => {
  const prepared = await prepare(installation);
  await postgres.crash();
  await until(async () => (await prepared.ready()).status === 503, 5_000, 'notices');
  // Copies of client and tenant may be used for a second: so long a sign-in can still begin.
  await until(async () => (await prepared.authorize()).status === 503, 5_000, 'forgets copies');
  await during(DEAD, () => assertDegraded(prepared));
  await postgres.restart();
  await assertRecovered();
});

test(
  'a sign-in under way when Postgres goes is told so, and can be finished after',
  LIMIT,
  async () => {
    const prepared = await prepare(installation);
    await postgres.crash();
    assertUnavailablePage(await prepared.submit(), 'a sign-in under way');
    await postgres.restart();
    await assertRecovered();
    const reply = await prepared.submit();
    assert.equal(reply.status, 303, reply.text.slice(0, 300));
  },
);

test('the process that served before serves still', () => {
  assert.doesNotThrow(() => process.kill(installation.server.pid, 0));
  assert.equal(installation.server.errors(), '');
});
