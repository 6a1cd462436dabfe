import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, it } from 'node:test';
import { newSecret } from '../../../src/kernel/ids.ts';
import { runWithRequestCache, takeUser } from '../../../src/oidc/adapter/index.ts';
import { RefreshRaceLost } from '../../../src/oidc/internals.ts';
import { withLatency } from '../../helpers/latency-adapter.ts';
import {
  createFamily,
  createPayloads,
  createStorage,
  type Family,
  type Process,
  refreshId,
} from './harness.ts';

const storage = await createStorage();
const { one, two, userId, tenantId } = storage;
const payloads = createPayloads(storage);

/** What the engine asks of the adapter at a refresh with rotation, in its order. */
async function refresh(
  { factory }: Pick<Process, 'factory'>,
  { grantId, uid, token, bound }: Family,
): Promise<string> {
  const tokens = factory('RefreshToken');
  const found = await tokens.find(token);
  assert.ok(found, 'the refresh token is there');
  assert.ok(await factory('Session').findByUid(uid), 'the session is there');
  assert.ok(await factory('Grant').find(grantId), 'the grant is there');
  assert.ok(!found.consumed, 'the refresh token is unused');
  await tokens.consume(token);
  const successor = refreshId();
  await tokens.upsert(successor, payloads.refreshToken(grantId, bound), 3_600);
  return successor;
}

const consumedAt = async (token: string): Promise<unknown> =>
  (await one.factory('RefreshToken').find(token))?.consumed;

const countTokens = async (grantId: string): Promise<number> =>
  (await one.knex('oidc_refresh_tokens').where({ grant_id: grantId })).length;

describe('a refresh with rotation', () => {
  it('costs one read and one write, the account included', async () => {
    const family = await createFamily(storage);
    const trips = await two.countTrips(() =>
      runWithRequestCache(async () => {
        await refresh(two, family);
        assert.equal(takeUser(userId)?.user.tenantId, tenantId);
      }),
    );
    assert.equal(trips, 2);
  });

  it('succeeds once of 100 at a time in two processes, with one successor', async () => {
    const family = await createFamily(storage);
    const slow = [one, two].map(({ factory }) => ({ factory: withLatency(factory, 5) }));
    const results = await Promise.allSettled(
      Array.from({ length: 100 }, (_, index) =>
        runWithRequestCache(() => refresh(slow[index % 2] ?? one, family)),
      ),
    );
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const result of results) {
      if (result.status === 'fulfilled') continue;
      const { reason } = result;
      assert.ok(reason instanceof RefreshRaceLost || reason instanceof assert.AssertionError);
    }
    assert.equal(await countTokens(family.grantId), 2);
  });

  it('adds no successor for a token that is gone', async () => {
    const family = await createFamily(storage);
    await assert.rejects(
      runWithRequestCache(async () => {
        await one.factory('RefreshToken').find(family.token);
        await two.factory('RefreshToken').destroy(family.token);
        await one.factory('RefreshToken').consume(family.token);
        const next = payloads.refreshToken(family.grantId);
        await one.factory('RefreshToken').upsert(refreshId(), next, 60);
      }),
      { error: 'invalid_grant' },
    );
    assert.equal(await countTokens(family.grantId), 0);
  });

  it('works the same outside a request, at a trip for each call', async () => {
    const family = await createFamily(storage);
    const successor = await refresh(one, family);
    assert.ok(await consumedAt(family.token));
    assert.ok(await one.factory('RefreshToken').find(successor));
    await assert.rejects(one.factory('RefreshToken').consume(family.token), RefreshRaceLost);
  });
});

describe('a consumption that waits for its successor', () => {
  it('is written at the end of the request when none comes', async () => {
    const { token } = await createFamily(storage);
    await runWithRequestCache(async () => {
      await one.factory('RefreshToken').find(token);
      await one.factory('RefreshToken').consume(token);
    });
    assert.ok(await consumedAt(token));
  });

  it('is written also when the request fails in between', async () => {
    const { token } = await createFamily(storage);
    const failing = runWithRequestCache(async () => {
      await one.factory('RefreshToken').consume(token);
      throw new Error('between consume and save');
    });
    await assert.rejects(failing, /between consume and save/);
    assert.ok(await consumedAt(token));
  });

  it('makes the request fail when another one was first and no successor was saved', async () => {
    const { token } = await createFamily(storage);
    const losing = runWithRequestCache(async () => {
      await one.factory('RefreshToken').consume(token);
      await two.pool.query('UPDATE oidc_refresh_tokens SET consumed_at = now()');
      return 'tokens';
    });
    await assert.rejects(losing, RefreshRaceLost);
  });

  it('is written before an access token is, so that a lost race issues none', async () => {
    const { token, grantId } = await createFamily(storage);
    const access = newSecret();
    const losing = runWithRequestCache(async () => {
      await one.factory('RefreshToken').consume(token);
      await two.pool.query('UPDATE oidc_refresh_tokens SET consumed_at = now()');
      await one.factory('AccessToken').upsert(access, payloads.token('AccessToken', grantId), 60);
    });
    await assert.rejects(losing, RefreshRaceLost);
    assert.equal(await one.factory('AccessToken').find(access), undefined);
  });

  it('is not fused with a token of another grant', async () => {
    const { token } = await createFamily(storage);
    const other = await createFamily(storage);
    await runWithRequestCache(async () => {
      const tokens = one.factory('RefreshToken');
      await tokens.find(token);
      await tokens.consume(token);
      await tokens.upsert(refreshId(), payloads.refreshToken(other.grantId), 60);
      assert.ok(await consumedAt(token));
    });
    assert.equal(await countTokens(other.grantId), 2);
  });

  it('is seen by the same request', async () => {
    const { token } = await createFamily(storage);
    await runWithRequestCache(async () => {
      await one.factory('RefreshToken').consume(token);
      assert.ok(await consumedAt(token));
    });
  });
});

describe('the cache of a request', () => {
  it('never serves another request, nor one after its end', async () => {
    const { token, grantId } = await createFamily(storage);
    let late: (() => Promise<unknown>) | undefined;
    await Promise.all([
      runWithRequestCache(async () => {
        await one.factory('RefreshToken').find(token);
        assert.ok(takeUser(userId));
        const inThisRequest = AsyncLocalStorage.snapshot();
        late = () =>
          inThisRequest(async () => [takeUser(userId), await one.factory('Grant').find(grantId)]);
        await two.factory('Grant').destroy(grantId);
      }),
      runWithRequestCache(async () => assert.equal(takeUser(userId), undefined)),
    ]);
    assert.equal(takeUser(userId), undefined);
    assert.deepEqual(await late?.(), [undefined, undefined]);
  });

  it('forgets what the request itself revokes or ends', async () => {
    const { token, grantId, uid } = await createFamily(storage);
    await runWithRequestCache(async () => {
      await one.factory('RefreshToken').find(token);
      await one.factory('Grant').destroy(grantId);
      assert.equal(await one.factory('Grant').find(grantId), undefined);
      await one.sessions.end({ tenantId, userId, sessionId: uid, reason: 'ended_by_user' });
      assert.equal(await one.factory('Session').findByUid(uid), undefined);
    });
  });

  it('hands out copies: what the engine changes in one is not in the next', async () => {
    const { token, grantId } = await createFamily(storage);
    await runWithRequestCache(async () => {
      await one.factory('RefreshToken').find(token);
      const first = (await one.factory('Grant').find(grantId)) as { openid?: { scope?: string } };
      assert.ok(first.openid);
      first.openid.scope = 'openid everything';
      const second = (await one.factory('Grant').find(grantId)) as { openid?: { scope?: string } };
      assert.equal(second.openid?.scope, 'openid');
    });
  });

  it('knows without asking again that the grant of a token is gone', async () => {
    const { token, grantId } = await createFamily(storage);
    await two.factory('Grant').destroy(grantId);
    await runWithRequestCache(async () => {
      assert.ok(await two.factory('RefreshToken').find(token));
      const trips = await two.countTrips(async () => {
        assert.equal(await two.factory('Grant').find(grantId), undefined);
      });
      assert.equal(trips, 0);
    });
  });
});
