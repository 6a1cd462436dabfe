import assert from 'node:assert/strict';
import { after, suite, test } from 'node:test';
import {
  createRateLimits,
  createRequestLimiter,
  ipBucket,
  type Limit,
  rateLimitHeaders,
} from '../../src/infra/rate-limits.ts';
import { createRedis } from '../../src/infra/redis.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { redisPrefix, testRedisUrl } from '../helpers/database.ts';

const prefix = redisPrefix();
const redis = createRedis({ url: testRedisUrl(), prefix, onError: () => {} });
await redis.connect();
after(async () => {
  const keys = await redis.keys(`${prefix}*`);
  if (keys.length > 0) await redis.del(keys.map((key) => key.slice(prefix.length)));
  redis.disconnect();
});

const MINUTE = 60_000;
let names = 0;
/** A budget of its own for each test: 6 in 5 minutes unless it says otherwise. */
const budget = (changes: Partial<Limit> = {}): Limit => ({
  bucket: 'test',
  key: `key-${names++}`,
  limit: 6,
  windowMs: 5 * MINUTE,
  ...changes,
});
const make = () => {
  const clock = createFakeClock();
  return { clock, limits: createRateLimits({ redis, clock }) };
};
const times = <T>(count: number, work: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, work));

suite('several budgets at once', () => {
  test('one that refuses leaves the others untouched', async () => {
    const { limits } = make();
    const [ip, account] = [budget({ limit: 2 }), budget({ limit: 10 })];
    await limits.hitAll([ip, account]);
    await limits.hitAll([ip, account]);
    const refused = await limits.hitAll([ip, account]);
    assert.equal(refused.allowed, false);
    assert.deepEqual(
      refused.states.map((state) => state.allowed),
      [false, true],
    );
    assert.equal((await limits.peek(account)).remaining, 8);
  });

  test('in parallel, no budget is exceeded', async () => {
    const { limits } = make();
    const [ip, account] = [budget({ limit: 6 }), budget({ limit: 10 })];
    const results = await times(50, () => limits.hitAll([ip, account]));
    assert.ok(results.filter((result) => result.allowed).length <= 6);
    assert.equal((await limits.peek(ip)).remaining, 6 - results.filter((r) => r.allowed).length);
  });
});

suite('a reservation counts only failures', () => {
  test('given back on success, a thousand right passwords use up nothing', async () => {
    const { limits } = make();
    const both = [budget(), budget()];
    for (let count = 0; count < 20; count++) {
      const reservation = await limits.reserve(both);
      assert.equal(reservation.allowed, true);
      await reservation.release();
    }
  });

  test('places are taken before the work: parallel guesses find them taken', async () => {
    const { limits } = make();
    const both = [budget(), budget({ limit: 10 })];
    const reservations = await times(50, () => limits.reserve(both));
    assert.ok(reservations.filter((reservation) => reservation.allowed).length <= 6);
  });

  test('giving back twice, or a refused place, frees nothing', async () => {
    const { limits } = make();
    const limit = budget({ limit: 2 });
    const first = await limits.reserve([limit]);
    await limits.reserve([limit]);
    const refused = await limits.reserve([limit]);
    await refused.release();
    assert.equal((await limits.peek(limit)).remaining, 0);
    await times(3, () => first.release());
    assert.equal((await limits.peek(limit)).remaining, 1);
  });

  test('a place can be given back without its reservation', async () => {
    const { limits } = make();
    const limit = budget({ limit: 1, blockMs: MINUTE });
    await limits.reserve([limit]);
    assert.equal((await limits.peek(limit)).allowed, false);
    await limits.release([limit]);
    assert.equal((await limits.peek(limit)).allowed, true);
    await limits.release([limit]);
  });
});

suite('CVE-2026-45364: whose budget an address uses', () => {
  test('200 addresses of one /64 and all spellings share one bucket', () => {
    const inOne64 = Array.from({ length: 200 }, (_, n) => `2001:db8:1:2:${n.toString(16)}::${n}`);
    const buckets = new Set(
      [...inOne64, '2001:0DB8:0001:0002::', '2001:db8:1:2::1%eth0'].map(ipBucket),
    );
    assert.deepEqual([...buckets], ['2001:db8:1:2::/64']);
    assert.notEqual(ipBucket('2001:db8:1:3::1'), ipBucket('2001:db8:1:2::1'));
  });

  test('an IPv4 address is one however it is written', () => {
    const spellings = [
      '192.0.2.1',
      '::ffff:192.0.2.1',
      '::FFFF:c000:201',
      '0:0:0:0:0:ffff:c000:0201',
    ];
    assert.deepEqual([...new Set(spellings.map(ipBucket))], ['192.0.2.1']);
  });

  test('no address at all shares one bucket', () => {
    assert.deepEqual(
      [...new Set([null, '', 'unknown', '1.2.3', 'x'.repeat(1000)].map(ipBucket))],
      ['unknown'],
    );
  });
});

suite('the limiter of the HTTP API', () => {
  test('counts by address and route, and says so in headers', async () => {
    const { limits } = make();
    const limiter = createRequestLimiter(limits, {
      default: { limit: 100, windowMs: MINUTE, perRoute: false },
      sensitive: { limit: 1, windowMs: MINUTE, perRoute: true },
    });
    const hit = { limit: 'sensitive', operationId: `op${names++}`, clientIp: '192.0.2.7' } as const;
    const first = await limiter(hit);
    assert.equal(first.allowed, true);
    assert.deepEqual(first.headers, {
      'RateLimit-Limit': '1',
      'RateLimit-Remaining': '0',
      'RateLimit-Reset': '60',
      'RateLimit-Policy': '1;w=60',
    });
    const second = await limiter(hit);
    assert.deepEqual([second.allowed, second.retryAfter], [false, 60]);
    assert.equal((await limiter({ ...hit, operationId: `op${names++}` })).allowed, true);
    assert.equal((await limiter({ ...hit, clientIp: '192.0.2.8' })).allowed, true);
  });

  test('headers are in seconds', () => {
    const state = { allowed: true, limit: 5, remaining: 4, retryAfterSeconds: 0, resetSeconds: 9 };
    assert.equal(
      rateLimitHeaders(state, { limit: 5, windowMs: 30_000 })['RateLimit-Policy'],
      '5;w=30',
    );
  });
});
