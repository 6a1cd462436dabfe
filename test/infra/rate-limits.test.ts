import assert from 'node:assert/strict';
import { after, suite, test } from 'node:test';
import { createRateLimits, type Limit } from '../../src/infra/rate-limits.ts';
import { createRedis } from '../../src/infra/redis.ts';
import { isDependencyFailure } from '../../src/kernel/http/index.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { redisPrefix, testRedisUrl } from '../helpers/database.ts';
import fc from '../helpers/fast-check.ts';

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

suite('a budget', () => {
  test('6 in 5 minutes: the 7th is refused and told when to come back', async () => {
    const { clock, limits } = make();
    const limit = budget();
    for (let count = 1; count <= 6; count++) {
      const state = await limits.hit(limit);
      assert.deepEqual(
        [state.allowed, state.remaining, state.retryAfterSeconds],
        [true, 6 - count, 0],
      );
      clock.advance(1_000);
    }
    const refused = await limits.hit(limit);
    assert.equal(refused.allowed, false);
    assert.equal(refused.retryAfterSeconds, 294, 'when the first of the six is five minutes old');
    clock.advance(293_999);
    assert.equal((await limits.hit(limit)).allowed, false);
    clock.advance(1);
    assert.equal((await limits.hit(limit)).allowed, true);
    assert.equal((await limits.hit(limit)).allowed, false, 'one place came free, not six');
  });

  test('ASVS 6.3.1: 50 guesses in parallel get no more tries than 50 in a row', async () => {
    const { limits } = make();
    const limit = budget();
    const states = await times(50, () => limits.hit(limit));
    assert.equal(states.filter((state) => state.allowed).length, 6);
  });

  test('it holds for any five minutes, whatever the times of the hits', async () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 3 * MINUTE }), { minLength: 5, maxLength: 30 });
    const property = fc.asyncProperty(gaps, async (list) => {
      const { clock, limits } = make();
      const limit = budget({ limit: 3 });
      const allowed: number[] = [];
      for (const gap of list) {
        clock.advance(gap);
        // What was allowed less than a window ago decides, and nothing else.
        const recent = allowed.filter((at) => at > clock.now() - limit.windowMs).length;
        const state = await limits.hit(limit);
        assert.equal(state.allowed, recent < 3);
        if (state.allowed) allowed.push(clock.now());
      }
    });
    await fc.assert(property, { numRuns: 50 });
  });

  test('a refused hit does not prolong the refusal', async () => {
    const { clock, limits } = make();
    const limit = budget({ limit: 1, windowMs: 10_000 });
    await limits.hit(limit);
    clock.advance(9_000);
    await times(20, () => limits.hit(limit));
    clock.advance(1_000);
    assert.equal((await limits.hit(limit)).allowed, true);
  });

  test('a clock that is behind another replica does not open the budget', async () => {
    const { clock, limits } = make();
    const limit = budget({ limit: 2, windowMs: 10_000 });
    await limits.hit(limit);
    clock.advance(-5_000);
    await limits.hit(limit);
    clock.advance(10_000);
    assert.equal((await limits.hit(limit)).allowed, false);
  });

  test('looking does not count; resetting empties', async () => {
    const { limits } = make();
    const limit = budget({ limit: 1 });
    for (let count = 0; count < 3; count++) {
      assert.equal((await limits.peek(limit)).allowed, true);
    }
    await limits.hit(limit);
    const full = await limits.peek(limit);
    assert.deepEqual([full.allowed, full.remaining, full.retryAfterSeconds], [false, 0, 300]);
    await limits.reset(limit);
    assert.equal((await limits.hit(limit)).allowed, true);
  });

  test('buckets and keys are apart, and keys cannot be crafted to meet', async () => {
    const { limits } = make();
    const one = budget({ limit: 1 });
    await limits.hit(one);
    assert.equal((await limits.hit({ ...one, bucket: 'other' })).allowed, true);
    assert.equal((await limits.hit({ ...one, key: `${one.key}\0` })).allowed, true);
  });

  test('every key has a TTL, tells no identifier, and holds no more than the limit', async () => {
    const { limits } = make();
    const limit = budget({ bucket: 'ttl', key: 'an@example.com' });
    await times(50, () => limits.hit(limit));
    const keys = await redis.keys(`${prefix}rl:ttl:*`);
    assert.equal(keys.length, 1);
    assert.doesNotMatch(keys[0] ?? '', /example/);
    const key = keys[0]?.slice(prefix.length) ?? '';
    const ttl = await redis.pttl(key);
    assert.ok(ttl > 4 * MINUTE && ttl <= 5 * MINUTE, String(ttl));
    assert.equal(await redis.llen(key), 6);
  });

  test('ASVS 16.5.3: with Redis down every call throws, so that callers fail closed', async () => {
    const gone = createRedis({ url: testRedisUrl(), prefix, onError: () => {} });
    await gone.connect();
    gone.disconnect();
    const limits = createRateLimits({ redis: gone, clock: createFakeClock() });
    const limit = budget();
    for (const call of [
      () => limits.hit(limit),
      () => limits.hitAll([limit]),
      () => limits.peek(limit),
      () => limits.reserve([limit]),
      () => limits.release([limit]),
      () => limits.reset(limit),
    ]) {
      await assert.rejects(call, isDependencyFailure);
    }
  });
});

suite('a lock', () => {
  const lock = () => budget({ limit: 10, windowMs: 15 * MINUTE, blockMs: 15 * MINUTE });

  test('the 10th failure locks for 15 minutes from then on, not from the first', async () => {
    const { clock, limits } = make();
    const limit = lock();
    for (let count = 1; count <= 10; count++) {
      const state = await limits.hit(limit);
      assert.equal(state.allowed, true);
      if (count === 10) assert.deepEqual([state.remaining, state.resetSeconds], [0, 900]);
      clock.advance(MINUTE);
    }
    assert.equal((await limits.hit(limit)).retryAfterSeconds, 14 * 60);
    clock.advance(14 * MINUTE - 1);
    assert.equal((await limits.hit(limit)).allowed, false);
    clock.advance(1);
    const reopened = await limits.hit(limit);
    assert.deepEqual([reopened.allowed, reopened.remaining], [true, 9], 'it begins anew');
  });

  test('failures that are spread out never lock', async () => {
    const { clock, limits } = make();
    const limit = lock();
    for (let count = 0; count < 40; count++) {
      assert.equal((await limits.hit(limit)).allowed, true);
      clock.advance(2 * MINUTE);
    }
  });
});
