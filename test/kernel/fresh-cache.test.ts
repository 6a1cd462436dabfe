import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFreshCache } from '../../src/kernel/fresh-cache.ts';
import { createFakeClock } from '../helpers/clock.ts';

const setUp = (maxEntries = 10) => {
  const clock = createFakeClock();
  let value = 'first';
  let reads = 0;
  return {
    clock,
    cache: createFreshCache<string>({ clock, maxAge: 1_000, maxEntries }),
    change: (next: string) => {
      value = next;
    },
    reads: () => reads,
    read: async () => {
      reads += 1;
      return value;
    },
  };
};

test('a copy serves for its age and not longer', async () => {
  const { cache, clock, read, reads, change } = setUp();
  assert.equal(await cache.get('a', read), 'first');
  change('second');
  clock.advance(999);
  assert.equal(await cache.get('a', read), 'first');
  clock.advance(1);
  assert.equal(await cache.get('a', read), 'second');
  assert.equal(reads(), 2);
});

test('the age counts from before the read', async () => {
  const { cache, clock, read, reads } = setUp();
  await cache.get('a', async () => {
    clock.advance(1_000);
    return 'slow';
  });
  await cache.get('a', read);
  assert.equal(reads(), 1);
});

test('who asks while it is read shares the read', async () => {
  const { cache, read, reads } = setUp();
  const found = await Promise.all(Array.from({ length: 32 }, () => cache.get('a', read)));
  assert.deepEqual(new Set(found), new Set(['first']));
  assert.equal(reads(), 1);
});

test('a read that began before a change is not used after it', async () => {
  const { cache, read, change } = setUp();
  const { promise, resolve } = Promise.withResolvers<string>();
  const early = cache.get('a', () => promise);
  change('second');
  cache.delete('a');
  const late = cache.get('a', read);
  resolve('first');
  assert.equal(await early, 'first');
  assert.equal(await late, 'second');
  assert.equal(await cache.get('a', read), 'second');
});

test('a read that fails is not kept', async () => {
  const { cache, read } = setUp();
  await assert.rejects(
    cache.get('a', () => Promise.reject(new Error('down'))),
    /down/,
  );
  assert.equal(await cache.get('a', read), 'first');
});

test('it holds no more than it may', async () => {
  const { cache, read, reads } = setUp(2);
  for (const key of ['a', 'b', 'c']) await cache.get(key, read);
  await cache.get('c', read);
  assert.equal(reads(), 3);
  await cache.get('a', read);
  assert.equal(reads(), 4);
});
