import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AdapterPayload } from 'oidc-provider';
import { newId, newSecret } from '../../../src/kernel/ids.ts';
import { createFactCache } from '../../../src/oidc/adapter/fact-cache.ts';
import type { FactRow } from '../../../src/oidc/adapter/facts.ts';
import { runWithRequestCache } from '../../../src/oidc/adapter/index.ts';
import {
  createFamily,
  createPayloads,
  createStorage,
  type Family,
  type Process,
} from './harness.ts';

const storage = await createStorage();
const { one, two, clock, userId, tenantId } = storage;
const payloads = createPayloads(storage);

describe('introspection of an opaque access token', () => {
  const look = (process: Process, { grantId, uid }: Family, token: string) =>
    runWithRequestCache(async (): Promise<AdapterPayload | undefined> => {
      const found = await process.factory('AccessToken').find(token);
      const session = found && (await process.factory('Session').findByUid(uid));
      return session && (await process.factory('Grant').find(grantId)) ? found : undefined;
    });
  async function createToken() {
    const family = await createFamily(storage);
    const token = `gha_${newSecret()}`;
    const payload = payloads.token('AccessToken', family.grantId, family.bound);
    await one.factory('AccessToken').upsert(token, payload, 600);
    return { ...family, access: token };
  }

  it('reads grant, session and user in one statement, and within a second not again', async () => {
    const family = await createToken();
    const count = () =>
      two.countTrips(async () => assert.ok(await look(two, family, family.access)));
    assert.deepEqual([await count(), await count()], [1, 0]);
    clock.advance(1_000);
    assert.equal(await count(), 1);
  });

  it('sees a revocation at once in the process that revokes, within a second in others', async () => {
    for (const revoke of [
      (family: Family) => one.factory('Grant').destroy(family.grantId),
      (family: Family) =>
        one.sessions.end({ tenantId, userId, sessionId: family.uid, reason: 'logout_all' }),
    ]) {
      const family = await createToken();
      assert.ok(await look(one, family, family.access));
      assert.ok(await look(two, family, family.access));
      await revoke(family);
      assert.equal(await look(one, family, family.access), undefined);
      clock.advance(1_000);
      assert.equal(await look(two, family, family.access), undefined);
    }
  });

  it('does not keep a copy that was read while its grant was being revoked', async () => {
    const { get, forget } = createFactCache(clock);
    const link = { grantId: newId(), sessionUid: undefined, mayBeStale: true };
    const before = { grant_payload: '{}' } as FactRow;
    const after = { grant_payload: null } as FactRow;
    await get(link, async () => {
      forget([{ kind: 'grant', id: link.grantId }]);
      return before;
    });
    assert.equal(await get(link, async () => after), after);
  });

  it('keeps at most 5000 copies', async () => {
    const { get } = createFactCache(clock);
    const row = { grant_payload: '{}' } as FactRow;
    let reads = 0;
    const ask = (grantId: string) =>
      get({ grantId, sessionUid: undefined, mayBeStale: true }, async () => {
        reads += 1;
        return row;
      });
    for (let index = 0; index <= 5_000; index += 1) await ask(`grant-${index}`);
    await ask('grant-5000');
    assert.equal(reads, 5_001);
    await ask('grant-0');
    assert.equal(reads, 5_002);
  });

  it('reads afresh for everything that issues tokens: a code exchange', async () => {
    const family = await createToken();
    const code = newSecret();
    const payload = payloads.token('AuthorizationCode', family.grantId, family.bound);
    await one.factory('AuthorizationCode').upsert(code, payload, 60);
    await look(two, family, family.access);
    await one.factory('Grant').destroy(family.grantId);
    await runWithRequestCache(async () => {
      const trips = await two.countTrips(async () => {
        assert.ok(await two.factory('AuthorizationCode').find(code));
        assert.ok(await two.factory('Session').findByUid(family.uid));
        assert.equal(await two.factory('Grant').find(family.grantId), undefined);
      });
      assert.equal(trips, 1);
    });
  });
});
