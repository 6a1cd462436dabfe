import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { newId, newSecret } from '../../../src/kernel/ids.ts';
import { createAdapterFactory } from '../../../src/oidc/adapter/index.ts';
import { conformance } from './conformance.ts';
import { createPayloads, createStorage } from './harness.ts';

const storage = await createStorage();
const { one, two, clock, prefix } = storage;
const payloads = createPayloads(storage);
const exp = (ttl: number) => Math.floor(clock.now() / 1000) + ttl;

const keys = async (): Promise<string[]> => (await one.redis.keys(`${prefix}*`)).sort();

async function dump(): Promise<string> {
  const values = await Promise.all(
    (await keys()).map(async (key) => {
      const bare = key.slice(prefix.length);
      const type = await one.redis.type(bare);
      if (type === 'hash') return JSON.stringify(await one.redis.hgetall(bare));
      if (type === 'zset') return (await one.redis.zrange(bare, '0', '-1')).join();
      return one.redis.get(bare);
    }),
  );
  return [...(await keys()), ...values].join('\n');
}

const granted = (model: string) => ({
  model,
  isGranted: true,
  make: ({ grantId, ttl }: { grantId: string; ttl: number }) =>
    payloads.token(model, grantId, { exp: exp(ttl) }),
});

conformance({
  name: 'Redis',
  clock,
  one: one.factory,
  two: two.factory,
  dump,
  cases: [
    granted('AccessToken'),
    { ...granted('AuthorizationCode'), isConsumable: true },
    { ...granted('BackchannelAuthenticationRequest'), isConsumable: true, retention: 300 },
    { ...granted('PreAuthorizedCode'), isConsumable: true },
    {
      ...granted('DeviceCode'),
      isConsumable: true,
      hasUserCode: true,
      retention: 300,
      make: ({ grantId, userCode, ttl }) =>
        payloads.token('DeviceCode', grantId, { exp: exp(ttl), userCode }),
    },
    {
      model: 'ClientCredentials',
      make: ({ ttl }) => ({ kind: 'ClientCredentials', clientId: 'job', exp: exp(ttl) }),
    },
    {
      model: 'Interaction',
      make: ({ ttl }) => ({ kind: 'Interaction', exp: exp(ttl), params: { client_id: 'web' } }),
    },
    {
      model: 'PushedAuthorizationRequest',
      isConsumable: true,
      retention: 3_600,
      make: ({ ttl }) => ({
        kind: 'PushedAuthorizationRequest',
        exp: exp(ttl),
        request: 'e30.e30.',
      }),
    },
  ],
});

describe('short-lived storage', () => {
  it('gives every key a life that ends', async () => {
    await one.factory('AccessToken').upsert(newSecret(), payloads.token('AccessToken', newId()));
    for (const key of await keys()) {
      const ttl = await one.redis.ttl(key.slice(prefix.length));
      assert.ok(ttl > 0 && ttl <= 31 * 24 * 3_600, `${key} ${ttl}`);
    }
  });

  it('forgets expired members of a grant and at most 5000 live ones are remembered', async () => {
    const grantId = newId();
    const adapter = one.factory('AccessToken');
    const save = (ttl: number) =>
      adapter.upsert(newSecret(), payloads.token('AccessToken', grantId, { exp: exp(ttl) }), ttl);
    for (let index = 0; index < 10; index += 1) await save(60);
    clock.advance(61_000);
    await save(60);
    assert.equal(await one.redis.zcard(`oidc:grant:{${grantId}}`), 1);
    await Promise.all(Array.from({ length: 5_100 }, () => save(600)));
    assert.equal(await one.redis.zcard(`oidc:grant:{${grantId}}`), 5_000);
  });

  it('keeps the cookie of the session out of a stored interaction', async () => {
    const cookie = newSecret();
    const uid = newSecret();
    const returnTo = `https://id.example/authorize/${uid}`;
    const session = { accountId: storage.userId, uid: newId(), cookie };
    await one.factory('Interaction').upsert(uid, { exp: exp(60), session, returnTo }, 60);
    const stored = await dump();
    assert.ok(!stored.includes(cookie) && !stored.includes(uid));
    assert.deepEqual((await two.factory('Interaction').find(uid))?.session, session);
  });

  it('finds nothing, without asking Redis, for tokens of another kind and for JWTs', async () => {
    const redis = one.redis.duplicate();
    redis.disconnect();
    const factory = createAdapterFactory({ ...one.deps, redis });
    for (const id of [`ghr_${newSecret()}`, `ghc_${newSecret()}`, 'e30.e30.sig', 'a.b.c.d.e']) {
      assert.equal(await factory('AccessToken').find(id), undefined);
    }
    await assert.rejects(factory('AccessToken').find(`gha_${newSecret()}`));
  });
});

describe('ReplayDetection', () => {
  const now = () => Math.floor(clock.now() / 1000);
  const unique = async (process: typeof one, id: string): Promise<boolean> => {
    const adapter = process.factory('ReplayDetection');
    if (await adapter.find(id)) return false;
    await adapter.upsert(id, { jti: id, exp: now() + 60 }, 60);
    return true;
  };

  it('lets a value through once, of 100 at a time in two processes; the others are answered no', async () => {
    const id = newSecret();
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, index) => unique(index % 2 ? one : two, id)),
    );
    assert.equal(results.filter(Boolean).length, 1);
    assert.equal(await unique(one, id), false);
    assert.equal(await unique(one, newSecret()), true);
  });

  it('refuses a second save with an OAuth error', async () => {
    const adapter = one.factory('ReplayDetection');
    const id = newSecret();
    await adapter.upsert(id, {}, 60);
    await assert.rejects(adapter.upsert(id, {}, 60), { error: 'invalid_grant', statusCode: 400 });
  });

  it('takes any expiry that an assertion may name', async () => {
    for (const ttl of [0.5, -3, 1e300, Number.NaN, Number.POSITIVE_INFINITY]) {
      await one.factory('ReplayDetection').upsert(newSecret(), {}, ttl);
    }
  });
});
