import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createHealth } from '../../src/infra/health.ts';
import { createRedis } from '../../src/infra/redis.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { redisPrefix, testRedisUrl } from '../helpers/database.ts';

const up = async () => {};
const down = () => Promise.reject(new Error('private reason'));
const hangs = () => new Promise<void>(() => {});

/** Health with these checks, its clock, and what it told the gauge. */
function make(checks: Record<string, () => Promise<void>>) {
  const clock = createFakeClock();
  const told: [string, boolean][] = [];
  const onResult = (dependency: string, isUp: boolean) => told.push([dependency, isUp]);
  return { clock, told, health: createHealth({ clock, checks, timeoutMs: 50, onResult }) };
}

suite('readiness', () => {
  test('names every dependency and is 200 when all answer', async () => {
    const { health, told } = make({ postgres: up, redis: up, smtp: up });
    assert.deepEqual(await health.ready(), {
      httpStatus: 200,
      report: { status: 'ready', dependencies: { postgres: 'up', redis: 'up', smtp: 'up' } },
    });
    assert.deepEqual(told, [
      ['postgres', true],
      ['redis', true],
      ['smtp', true],
    ]);
  });

  for (const [name, check] of [
    ['refuses', down],
    ['hangs', hangs],
    [
      'throws at once',
      () => {
        throw new Error('x');
      },
    ],
  ] as const) {
    test(`503 when a store ${name}, with what still works and no reason`, async () => {
      const { health, told } = make({ postgres: up, redis: check });
      const { httpStatus, report } = await health.ready();
      assert.equal(httpStatus, 503);
      assert.deepEqual(report, {
        status: 'unavailable',
        dependencies: { postgres: 'up', redis: 'down' },
        stillWorks: [
          'jwks',
          'discovery',
          'offline token verification',
          'requests with access tokens',
        ],
      });
      assert.deepEqual(new Map(told).get('redis'), false);
    });
  }

  test('both stores down leave what needs neither', async () => {
    const { report } = await make({ postgres: down, redis: down }).health.ready();
    assert.deepEqual(report.stillWorks, ['jwks', 'discovery']);
  });

  test('mail or broker down is degraded, not 503', async () => {
    const { httpStatus, report } = await make({
      postgres: up,
      redis: up,
      smtp: down,
    }).health.ready();
    assert.deepEqual([httpStatus, report.status], [200, 'degraded']);
  });

  test('any number of probes in one second asks the stores once', async () => {
    let asked = 0;
    const postgres = async () => {
      asked += 1;
    };
    const { health, clock } = make({ postgres });
    await Promise.all(Array.from({ length: 100 }, () => health.ready()));
    clock.advance(999);
    await health.ready();
    assert.equal(asked, 1);
    clock.advance(1);
    await health.ready();
    assert.equal(asked, 2);
  });

  test('a process that drains is not ready, yet alive', async () => {
    const { health } = make({ postgres: up });
    health.drain();
    assert.deepEqual((await health.ready()).httpStatus, 503);
    assert.deepEqual(health.live(), { status: 'live' });
  });

  test('a real Redis is up, and down once it is gone', async () => {
    const redis = createRedis({ url: testRedisUrl(), prefix: redisPrefix(), onError: () => {} });
    await redis.connect();
    const { health, clock } = make({ redis: async () => void (await redis.ping()) });
    assert.equal((await health.ready()).report.dependencies.redis, 'up');
    redis.disconnect();
    clock.advance(1_000);
    assert.equal((await health.ready()).report.dependencies.redis, 'down');
  });
});
