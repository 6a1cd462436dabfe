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

const installation = await install('redis');
const { redis } = installation.stores;

/** A hang is a failure, not a wait. */
const LIMIT = { timeout: 60_000 };

const FROZEN = 20_000;
const DEAD = 10_000;
/** Milliseconds within which all must be well again, without a restart. */
const RECOVERY = 5_000;

async function assertDegraded(prepared: Prepared): Promise<void> {
  await prepared.assertOfflineWorks();
  const ready = await prepared.ready();
  assert.equal(ready.status, 503);
  assert.deepEqual(ready.json.dependencies, { postgres: 'up', redis: 'down' });
  assert.deepEqual(ready.json.stillWorks, [
    'jwks',
    'discovery',
    'offline token verification',
    'requests with access tokens',
  ]);
  assertUnavailablePage(await prepared.authorize(), 'a new sign-in');
  assertUnavailablePage(await prepared.submit(), 'a sign-in under way');
  assertUnavailableProblem(await prepared.login());
  // Postgres tells what was revoked, while the set in Redis cannot be read (ASVS 16.5.3).
  assert.equal((await prepared.me()).status, 200);
  assert.equal((await prepared.userinfo()).status, 200);
  assert.equal((await prepared.introspect()).body.active, true);
  assert.equal(
    await prepared.isRevokedDead(),
    true,
    'a revoked token must not pass for a live one',
  );
}

async function assertRecovered(): Promise<void> {
  await until(() => canSignIn(installation), RECOVERY, 'recovery');
  const isReady = async () => (await fetch(`${installation.url}/health/ready`)).status === 200;
  await until(isReady, 2_000, 'readiness');
}

test(
  'Redis frozen for 20 s: what needs no Redis goes on, sign-in says 503, all recovers',
  LIMIT,
  async () => {
    const prepared = await prepare(installation);
    const before = memoryOf(installation.server.pid);
    redis.freeze();
    try {
      await until(async () => (await prepared.ready()).status === 503, 5_000, 'notices');
      await during(FROZEN, () => assertDegraded(prepared));
    } finally {
      redis.thaw();
    }
    await assertRecovered();
    const grown = memoryOf(installation.server.pid) - before;
    assert.ok(grown < 100, `memory grew by ${grown} MiB`);
  },
);

test('Redis killed and started again: the same, and nothing hangs', LIMIT, async () => {
  const prepared = await prepare(installation);
  await redis.crash();
  await until(async () => (await prepared.ready()).status === 503, 5_000, 'notices');
  await during(DEAD, () => assertDegraded(prepared));
  await redis.restart();
  await assertRecovered();
});

test('requests in a flood during the outage are all answered', LIMIT, async () => {
  const prepared = await prepare(installation);
  redis.freeze();
  const replies = await Promise.all(Array.from({ length: 200 }, () => prepared.authorize()));
  redis.thaw();
  for (const reply of replies) assert.ok([503, 303].includes(reply.status), String(reply.status));
  await assertRecovered();
});

test('the process that served before serves still', () => {
  assert.doesNotThrow(() => process.kill(installation.server.pid, 0));
  assert.equal(installation.server.errors(), '');
});
