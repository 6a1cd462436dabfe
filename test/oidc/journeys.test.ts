import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createRedis } from '../../src/infra/redis.ts';
import { createJourneys } from '../../src/oidc/interactions/journeys.ts';
import { redisPrefix, testRedisUrl } from '../helpers/database.ts';

const redis = createRedis({ url: testRedisUrl(), prefix: redisPrefix(), onError() {} });
await redis.connect();
after(() => redis.disconnect());

const journeys = createJourneys(redis);
const asked = { identifier: 'someone@lotus.example', organisation: '' };

test('what two tabs of one sign-in note at once is all remembered, and bounded in time', async () => {
  for (let round = 0; round < 20; round += 1) {
    const uid = `round-${round}`;
    await Promise.all([
      journeys.note(uid, { isBegun: true }),
      journeys.note(uid, { reset: asked }),
      journeys.note(uid, { isAnother: true }),
    ]);
    assert.deepEqual(await journeys.find(uid), { isBegun: true, reset: asked, isAnother: true });
    assert.ok((await redis.ttl(`journeys:${uid}`)) > 0);
  }
});

test('a member that is undefined is forgotten, the others stay; the end forgets all', async () => {
  await journeys.note('one', { reset: asked, isBegun: true });
  await journeys.note('one', { reset: undefined });
  assert.deepEqual(await journeys.find('one'), { isBegun: true });
  await journeys.end('one');
  assert.deepEqual(await journeys.find('one'), {});
});
