import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AdapterPayload } from 'oidc-provider';
import { runInRequest } from '../../../src/kernel/current-request.ts';
import { newId, newSecret } from '../../../src/kernel/ids.ts';
import { runWithRequestCache } from '../../../src/oidc/adapter/index.ts';
import { createPayloads, createStorage, type Process } from '../../oidc/adapter/harness.ts';

const storage = await createStorage();
const { one, two, clock, userId, tenantId } = storage;
const payloads = createPayloads(storage);
const adapter = (process: Process = one) => process.factory('Session');

async function createSession(more: object = {}) {
  const uid = newId();
  const id = newSecret();
  await adapter().upsert(id, payloads.session(uid, more), 3_600);
  return { uid, id };
}

const find = async (id: string, process = one): Promise<AdapterPayload> => {
  const found = await adapter(process).find(id);
  assert.ok(found);
  return found;
};

/** Of the type that the engine declares, `void` is taken off. */
const byUid = async (uid: string) => (await adapter().findByUid(uid)) || undefined;

const clientsOf = (payload: Pick<AdapterPayload, 'authorizations'> | undefined): string[] =>
  Object.keys(payload?.authorizations ?? {}).sort();

const eventsOf = async (sessionId: string): Promise<string[]> => {
  const rows = await one.knex('outbox_events').whereRaw("data ->> 'sessionId' = ?", [sessionId]);
  return rows.map(({ type }) => type).sort();
};

/** Like the engine at a sign-in: the old cookie value is destroyed, the session saved under a new one. */
async function rename(id: string, change: object, process = one): Promise<string> {
  const next = newSecret();
  await runWithRequestCache(async () => {
    const payload = await find(id, process);
    await adapter(process).destroy(id);
    await adapter(process).upsert(next, { ...payload, ...change }, 3_600);
  });
  return next;
}

describe('saving a session', () => {
  it('keeps the authorizations of two tabs that save at once', async () => {
    const { uid, id } = await createSession({ authorizations: { first: { sid: 'f' } } });
    const tab = (process: Process, client: string) =>
      runWithRequestCache(async () => {
        const payload = await find(id, process);
        const authorizations = { ...payload.authorizations, [client]: { sid: client } };
        await adapter(process).upsert(id, { ...payload, authorizations }, 3_600);
      });
    await Promise.all(Array.from({ length: 10 }, (_, n) => tab(n % 2 ? one : two, `client-${n}`)));
    assert.equal(clientsOf(await byUid(uid)).length, 11);
  });

  it('does not undo in one tab what another changed for a client', async () => {
    const { uid, id } = await createSession({ authorizations: { web: { grantId: 'old' } } });
    await runWithRequestCache(async () => {
      const stale = await find(id);
      await runOutside(async () => {
        const payload = await find(id, two);
        await adapter(two).upsert(
          id,
          { ...payload, authorizations: { web: { grantId: 'new' } } },
          60,
        );
      });
      const authorizations = { ...stale.authorizations, other: {} };
      await adapter().upsert(id, { ...stale, authorizations }, 3_600);
    });
    const found = await byUid(uid);
    assert.deepEqual(found?.authorizations, { web: { grantId: 'new' }, other: {} });
  });

  it('takes away the client that a request signed out of, and no other', async () => {
    const { uid, id } = await createSession({ authorizations: { web: {}, other: {} } });
    await rename(id, { authorizations: { other: {} } });
    assert.deepEqual(clientsOf(await byUid(uid)), ['other']);
  });

  it('notes the address and user agent of the request, cut to a sane length', async () => {
    const request = { requestId: 'r', traceparent: null, actorId: null, tenantId: null };
    const { uid } = await runInRequest(
      { ...request, clientIp: '203.0.113.7', userAgent: 'x'.repeat(10_000) },
      () => createSession(),
    );
    const [listed] = (await one.sessions.list(tenantId, userId)).filter(({ id }) => id === uid);
    assert.equal(listed?.clientIp, '203.0.113.7');
    assert.equal(listed?.userAgent?.length, 512);
    assert.deepEqual(listed?.amr, ['pwd']);
  });

  it('refuses a session whose uid is not a UUID', async () => {
    await assert.rejects(adapter().upsert(newSecret(), payloads.session('nanoid'), 60), TypeError);
  });

  it('answers an OAuth error, not a fault, when the user is gone', async () => {
    const session = payloads.session(newId(), { accountId: newId() });
    await assert.rejects(adapter().upsert(newSecret(), session, 60), { statusCode: 400 });
  });
});

/** Leaves the request's cache, as another request would. */
const runOutside = async (work: () => Promise<void>): Promise<void> => {
  await new Promise<void>((resolve, reject) => {
    queue.push(() => work().then(resolve, reject));
  });
};

/** Work is taken from here by a loop that was started outside every request. */
const queue: (() => Promise<void>)[] = [];
const pump = setInterval(() => void queue.shift()?.(), 1);
pump.unref();

describe('a sign-in', () => {
  it('emits one event, with the session, when the session gets its user', async () => {
    const { uid, id } = await createSession({ accountId: undefined });
    assert.deepEqual(await eventsOf(uid), []);
    const next = await rename(id, { accountId: userId });
    assert.deepEqual(await eventsOf(uid), ['identity.session.created.v1']);
    await rename(next, { amr: ['pwd', 'otp'] });
    assert.deepEqual(await eventsOf(uid), ['identity.session.created.v1']);
  });

  it('leaves neither session nor event when its transaction fails', async () => {
    const uid = newId();
    await one.knex.raw(
      'ALTER TABLE outbox_events ADD CONSTRAINT no_events CHECK (false) NOT VALID',
    );
    await assert.rejects(adapter().upsert(newSecret(), payloads.session(uid), 60));
    await one.knex.raw('ALTER TABLE outbox_events DROP CONSTRAINT no_events');
    assert.equal(await adapter().findByUid(uid), undefined);
    assert.deepEqual(await eventsOf(uid), []);
  });

  it('gives the session a new cookie value, and the old one dies (ASVS 7.2.4)', async () => {
    const { uid, id } = await createSession();
    const next = await rename(id, {});
    assert.equal(await adapter(two).find(id), undefined);
    assert.equal((await find(next, two)).uid, uid);
    assert.equal((await adapter().findByUid(uid))?.jti, next);
    assert.deepEqual(await eventsOf(uid), ['identity.session.created.v1']);
  });

  it('is not taken back by a request that read the session before', async () => {
    const { uid, id } = await createSession({ accountId: undefined });
    let next = '';
    await runWithRequestCache(async () => {
      const anonymous = await find(id);
      await runOutside(async () => {
        next = await rename(id, { accountId: userId }, two);
      });
      await adapter().upsert(id, { ...anonymous, state: { secret: 'x' } } as AdapterPayload, 3_600);
    });
    assert.equal(await adapter().find(id), undefined);
    assert.equal((await find(next)).accountId, userId);
    assert.equal((await adapter().findByUid(uid))?.accountId, userId);
  });

  it('of another user replaces the authorizations of the one before', async () => {
    const { uid, id } = await createSession({ authorizations: { web: { grantId: 'hers' } } });
    const other = await storage.addUser();
    await rename(id, { accountId: other, authorizations: { own: {} } });
    const found = await byUid(uid);
    assert.equal(found?.accountId, other);
    assert.deepEqual(clientsOf(found), ['own']);
    assert.deepEqual(await eventsOf(uid), Array(2).fill('identity.session.created.v1'));
  });
});

describe('a session that ended', () => {
  it('is not brought back by a late save, in whatever order (CVE-2025-29928)', async () => {
    for (const process of [one, two]) {
      const { uid, id } = await createSession();
      await runWithRequestCache(async () => {
        const payload = await find(id, process);
        await runOutside(async () => {
          await one.sessions.end({ tenantId, userId, sessionId: uid, reason: 'ended_by_user' });
        });
        await assert.rejects(adapter(process).upsert(id, payload, 3_600), {
          name: 'SessionNotFound',
          statusCode: 400,
        });
      });
      assert.equal(await adapter(process).find(id), undefined);
      assert.equal(await adapter(process).findByUid(uid), undefined);
    }
  });

  it('stays ended when 20 saves race with its end', async () => {
    const { uid, id } = await createSession();
    const payload = await find(id);
    const saves = Array.from({ length: 20 }, (_, n) =>
      adapter(n % 2 ? one : two).upsert(id, payload, 3_600),
    );
    const end = two.sessions.end({ tenantId, userId, sessionId: uid, reason: 'ended_by_user' });
    await Promise.allSettled([...saves, end]);
    assert.equal(await adapter().findByUid(uid), undefined);
    await assert.rejects(adapter().upsert(id, payload, 3_600), { statusCode: 400 });
  });

  it('is not found once it has expired, by id, uid or list', async () => {
    const { uid, id } = await createSession({ exp: Math.floor(clock.now() / 1000) + 5 });
    clock.advance(5_000);
    assert.equal(await adapter().find(id), undefined);
    assert.equal(await adapter().findByUid(uid), undefined);
    const listed = await one.sessions.list(tenantId, userId);
    assert.ok(!listed.some((session) => session.id === uid));
  });
});
