import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { newId, newSecret } from '../../../src/kernel/ids.ts';
import { purgeExpired } from '../../../src/oidc/adapter/index.ts';
import { conformance } from './conformance.ts';
import { createPayloads, createStorage, refreshId } from './harness.ts';

const storage = await createStorage();
const { one, two, clock, userId } = storage;
const payloads = createPayloads(storage);
const exp = (ttl: number) => Math.floor(clock.now() / 1000) + ttl;

const TABLES = ['sessions', 'oidc_grants', 'oidc_refresh_tokens', 'oidc_registration_tokens'];

const dump = async (): Promise<string> => {
  const tables = await Promise.all(TABLES.map((table) => one.knex(table)));
  return tables
    .flat()
    .flatMap((row) => Object.values(row))
    .map((value) =>
      Buffer.isBuffer(value)
        ? `${value.toString('latin1')} ${value.toString('base64url')}`
        : JSON.stringify(value),
    )
    .join('\n');
};

conformance({
  name: 'Postgres',
  clock,
  one: one.factory,
  two: two.factory,
  dump,
  cases: [
    {
      model: 'RefreshToken',
      isConsumable: true,
      isGranted: true,
      make: ({ grantId, ttl }) => payloads.refreshToken(grantId, { exp: exp(ttl) }),
    },
    {
      model: 'Grant',
      isPlain: true,
      make: ({ grantId, ttl }) => payloads.grant(grantId, { exp: exp(ttl) }),
    },
    {
      model: 'Session',
      hasUid: true,
      make: ({ uid, ttl }) => payloads.session(uid, { exp: exp(ttl) }),
    },
    {
      model: 'RegistrationAccessToken',
      make: ({ ttl }) => ({
        kind: 'RegistrationAccessToken',
        iat: exp(0),
        exp: exp(ttl),
        clientId: 'web',
      }),
    },
  ],
});

describe('durable storage', () => {
  it('deletes what has expired in small batches, and only that; two workers share the work', async () => {
    const rows = Array.from({ length: 25 }, () => newId());
    const refresh = one.factory('RefreshToken');
    const kept = refreshId();
    await refresh.upsert(kept, payloads.refreshToken(newId(), { exp: exp(100_000) }), 100_000);
    for (const grantId of rows) {
      await one.factory('Grant').upsert(grantId, payloads.grant(grantId, { exp: exp(30) }), 30);
      await refresh.upsert(refreshId(), payloads.refreshToken(grantId, { exp: exp(30) }), 30);
      const session = payloads.session(newId(), { exp: exp(30) });
      await one.factory('Session').upsert(newSecret(), session, 30);
    }
    clock.advance(31_000);
    for (;;) {
      const both = await Promise.all(
        [one, two].map((process) => purgeExpired({ pool: process.pool, clock }, { batch: 10 })),
      );
      assert.ok(both.every((count) => count <= 40));
      if (both.every((count) => count === 0)) break;
    }
    for (const table of TABLES) {
      const left = await one.knex(table).where('expires_at', '<=', new Date(clock.now()));
      assert.equal(left.length, 0, table);
    }
    assert.ok(await refresh.find(kept));
  });

  it('keeps a registration token without expiry for ever', async () => {
    const id = newSecret();
    const adapter = one.factory('RegistrationAccessToken');
    await adapter.upsert(id, { kind: 'RegistrationAccessToken', clientId: 'web' });
    clock.advance(1_000);
    await purgeExpired({ pool: one.pool, clock }, { batch: 100 });
    assert.equal((await adapter.find(id))?.clientId, 'web');
  });

  it('does not bring a revoked grant back when a late request saves it', async () => {
    const grantId = newId();
    const grant = one.factory('Grant');
    await grant.upsert(grantId, payloads.grant(grantId), 600);
    const read = await grant.find(grantId);
    await two.factory('Grant').destroy(grantId);
    assert.ok(read);
    await assert.rejects(grant.upsert(grantId, read, 600), { error: 'invalid_grant' });
    assert.equal(await grant.find(grantId), undefined);
    assert.ok(await one.revocations.isRevoked({ grantId }));
  });

  it('does not let a save move a grant to another user or client', async () => {
    const grantId = newId();
    const grant = one.factory('Grant');
    await grant.upsert(grantId, payloads.grant(grantId), 600);
    const moved = [{ clientId: 'other' }, { accountId: await storage.addUser() }];
    for (const change of moved) {
      await assert.rejects(grant.upsert(grantId, payloads.grant(grantId, change), 600), {
        error: 'invalid_grant',
      });
    }
    assert.equal((await grant.find(grantId))?.accountId, userId);
  });

  it('asks the client port for clients and refuses to write them', async () => {
    assert.equal(await one.factory('Client').find('web'), undefined);
    await assert.rejects(one.factory('Client').upsert('web', {}), TypeError);
    await assert.rejects(one.factory('Client').destroy('web'), TypeError);
  });
});
