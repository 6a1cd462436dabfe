import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MARGIN } from '../../../src/infra/revocations.ts';
import { newId, newSecret } from '../../../src/kernel/ids.ts';
import { purgeExpired, runWithRequestCache } from '../../../src/oidc/adapter/index.ts';
import { createPayloads, createStorage, MAX_TTL, refreshId } from '../../oidc/adapter/harness.ts';

const storage = await createStorage();
const { one, two, clock, tenantId } = storage;

/** A user with a session that has a grant and a refresh token. */
async function signIn(userId: string, more: object = {}) {
  const payloads = createPayloads({ clock, userId });
  const [uid, grantId, id, token] = [newId(), newId(), newSecret(), refreshId()];
  await one.factory('Grant').upsert(grantId, payloads.grant(grantId), 86_400);
  const authorizations = { web: { sid: uid, grantId, ...more } };
  await one.factory('Session').upsert(id, payloads.session(uid, { authorizations }), 3_600);
  const refresh = payloads.refreshToken(grantId, { sessionUid: uid });
  await one.factory('RefreshToken').upsert(token, refresh, 3_600);
  const replayed = { grantId, sessionUid: uid, accountId: userId, clientId: 'web' };
  return { uid, id, grantId, token, replayed, userId };
}

type SignedIn = Awaited<ReturnType<typeof signIn>>;

const isAlive = async ({ uid, id, grantId, token }: SignedIn) => ({
  session: Boolean(
    (await two.factory('Session').find(id)) && (await two.factory('Session').findByUid(uid)),
  ),
  grant: Boolean(await two.factory('Grant').find(grantId)),
  token: Boolean(await two.factory('RefreshToken').find(token)),
});

const ALIVE = { session: true, grant: true, token: true };
const DEAD = { session: false, grant: false, token: false };

const eventsAbout = async (userId: string) => {
  const rows = await one
    .knex('outbox_events')
    .whereRaw("data ->> 'userId' = ?", [userId])
    .orderBy('seq');
  return rows
    .filter(({ type }) => type !== 'identity.session.created.v1')
    .map(({ type, data }) => (data.reason ? `${type} ${data.reason}` : type));
};

describe('ending one session', () => {
  it('ends its grants and refresh tokens with it, and nothing of another session', async () => {
    const userId = await storage.addUser();
    const mine = await signIn(userId);
    const other = await signIn(userId);
    const how = { tenantId, userId, sessionId: mine.uid, reason: 'ended_by_user' as const };
    assert.equal(await one.sessions.end(how), true);
    assert.deepEqual(await isAlive(mine), DEAD);
    assert.deepEqual(await isAlive(other), ALIVE);
    assert.ok(await two.revocations.isRevoked({ sid: mine.uid }));
    assert.ok(await two.revocations.isRevoked({ grantId: mine.grantId }));
    assert.ok(!(await two.revocations.isRevoked({ sid: other.uid, grantId: other.grantId })));
    assert.deepEqual(await eventsAbout(userId), ['identity.session.revoked.v1 ended_by_user']);
  });

  it('is refused for another user, another tenant and what is no id', async () => {
    const userId = await storage.addUser();
    const mine = await signIn(userId);
    const how = { tenantId, userId, sessionId: mine.uid, reason: 'ended_by_user' as const };
    for (const wrong of [
      { userId: await storage.addUser() },
      { tenantId: newId() },
      { sessionId: "' OR 1=1" },
      { sessionId: newId() },
    ]) {
      assert.equal(await one.sessions.end({ ...how, ...wrong }), false);
    }
    assert.deepEqual(await isAlive(mine), ALIVE);
  });

  it('twice or ten times at once is told once', async () => {
    const userId = await storage.addUser();
    const { uid } = await signIn(userId);
    const how = { tenantId, userId, sessionId: uid, reason: 'ended_by_administrator' as const };
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, n) => (n % 2 ? one : two).sessions.end(how)),
    );
    assert.equal(results.filter(Boolean).length, 1);
    assert.equal((await eventsAbout(userId)).length, 1);
  });

  it('changes nothing and tells nothing when its transaction fails', async () => {
    const userId = await storage.addUser();
    const mine = await signIn(userId);
    await one.knex.raw(
      'ALTER TABLE outbox_events ADD CONSTRAINT no_events CHECK (false) NOT VALID',
    );
    const how = { tenantId, userId, sessionId: mine.uid, reason: 'ended_by_user' as const };
    await assert.rejects(one.sessions.end(how));
    await one.knex.raw('ALTER TABLE outbox_events DROP CONSTRAINT no_events');
    assert.deepEqual(await isAlive(mine), ALIVE);
    assert.deepEqual(await eventsAbout(userId), []);
  });

  it('leaves no personal data in the row that stays, and the row goes in the end', async () => {
    const userId = await storage.addUser();
    const { uid } = await signIn(userId);
    await one.sessions.end({ tenantId, userId, sessionId: uid, reason: 'ended_by_user' });
    const row = await one.knex('sessions').where({ id: uid }).first();
    assert.deepEqual([row.payload, row.client_ip, row.user_agent], [{}, null, null]);
    clock.advance(3_600_000);
    await purgeExpired({ pool: one.pool, clock }, { batch: 1_000 });
    assert.equal(await one.knex('sessions').where({ id: uid }).first(), undefined);
  });
});

describe('ending all sessions of a user (ASVS 7.4.2)', () => {
  it('ends every session and grant, those without a session too, and of nobody else', async () => {
    const userId = await storage.addUser();
    const all = [await signIn(userId), await signIn(userId)];
    const offline = newId();
    const payloads = createPayloads({ clock, userId });
    await one.factory('Grant').upsert(offline, payloads.grant(offline), 600);
    const stranger = await signIn(await storage.addUser());
    assert.equal(await one.sessions.endAllOf(userId, { reason: 'user_suspended' }), 2);
    for (const session of all) assert.deepEqual(await isAlive(session), DEAD);
    assert.equal(await two.factory('Grant').find(offline), undefined);
    assert.deepEqual(await isAlive(stranger), ALIVE);
    assert.deepEqual(await one.sessions.list(tenantId, userId), []);
  });

  it('keeps the session that asks for it, with its grant', async () => {
    const userId = await storage.addUser();
    const kept = await signIn(userId);
    const other = await signIn(userId);
    const how = { except: kept.uid, reason: 'password_changed' as const };
    assert.equal(await one.sessions.endAllOf(userId, how), 1);
    assert.deepEqual(await isAlive(kept), ALIVE);
    assert.deepEqual(await isAlive(other), DEAD);
  });
});

describe('a logout by the engine', () => {
  const logout = (id: string) =>
    runWithRequestCache(async () => {
      assert.ok(await one.factory('Session').find(id));
      await one.factory('Session').destroy(id);
    });

  it('ends the session before the response is sent, with its events', async () => {
    const userId = await storage.addUser();
    const { id, uid } = await signIn(userId);
    await logout(id);
    assert.equal(await two.factory('Session').find(id), undefined);
    assert.deepEqual(await eventsAbout(userId), [
      'identity.session.revoked.v1 logout',
      'identity.user.logged_out.v1',
    ]);
    assert.ok(await one.revocations.isRevoked({ sid: uid }));
  });

  it('spares tokens that were made to outlive it (offline_access)', async () => {
    const mine = await signIn(await storage.addUser(), { persistsLogout: true });
    await logout(mine.id);
    assert.deepEqual(await isAlive(mine), { session: false, grant: true, token: true });
    assert.equal(await one.revocations.isRevoked({ sid: mine.uid, grantId: mine.grantId }), false);
  });

  it('of an unknown or an anonymous session tells nobody', async () => {
    const before = await one.knex('outbox_events').count();
    await one.factory('Session').destroy(newSecret());
    const id = newSecret();
    const payloads = createPayloads(storage);
    await one
      .factory('Session')
      .upsert(id, payloads.session(newId(), { accountId: undefined }), 60);
    await one.factory('Session').destroy(id);
    assert.equal(await one.factory('Session').find(id), undefined);
    assert.deepEqual(await one.knex('outbox_events').count(), before);
  });
});

describe('a refresh token that was used twice (contract 2, RFC 9700 4.14.2)', () => {
  it('ends its session and grant and reports one incident, however often it is told', async () => {
    const userId = await storage.addUser();
    const mine = await signIn(userId);
    const other = await signIn(userId);
    await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        (n % 2 ? one : two).sessions.replayDetected(mine.replayed),
      ),
    );
    assert.deepEqual(await isAlive(mine), DEAD);
    assert.deepEqual(await isAlive(other), ALIVE);
    assert.deepEqual(await eventsAbout(userId), [
      'identity.session.revoked.v1 refresh_replay',
      'identity.user.security_incident.v1',
    ]);
  });

  it('does not deadlock with the revocation that the engine does at the same time', async () => {
    const mine = await signIn(await storage.addUser());
    const payloads = createPayloads({ clock, userId: mine.userId });
    const add = payloads.refreshToken(mine.grantId, { sessionUid: mine.uid });
    await Promise.all(
      Array.from({ length: 30 }, () => one.factory('RefreshToken').upsert(refreshId(), add, 600)),
    );
    await Promise.all(
      Array.from({ length: 10 }, (_, n) => {
        const { factory, sessions } = n % 2 ? one : two;
        return Promise.all([
          factory('RefreshToken').destroy(mine.token),
          factory('RefreshToken').revokeByGrantId(mine.grantId),
          factory('Grant').destroy(mine.grantId),
          sessions.replayDetected(mine.replayed),
        ]);
      }),
    );
    assert.deepEqual(await isAlive(mine), DEAD);
    const incidents = (await eventsAbout(mine.userId)).filter((type) => /incident/.test(type));
    assert.equal(incidents.length, 1);
  });

  it('without a live session ends the grant alone, and is reported', async () => {
    const userId = await storage.addUser();
    const mine = await signIn(userId);
    const { sessionUid: _, ...replayed } = mine.replayed;
    await one.factory('Grant').destroy(mine.grantId);
    await one.sessions.replayDetected(replayed);
    assert.deepEqual(await isAlive(mine), { session: true, grant: false, token: false });
    assert.deepEqual(await eventsAbout(userId), ['identity.user.security_incident.v1']);
  });
});

describe('the revocation set', () => {
  it('is filled again from the database after Redis lost it', async () => {
    const userId = await storage.addUser();
    const ended = await signIn(userId);
    const offline = await signIn(userId, { persistsLogout: true });
    await one.sessions.end({ tenantId, userId, sessionId: ended.uid, reason: 'ended_by_user' });
    await one.factory('Session').destroy(offline.id);
    const keys = await one.redis.keys(`${storage.prefix}revoked:*`);
    await one.redis.del(...keys.map((key) => key.slice(storage.prefix.length)));
    assert.equal(await one.revocations.isRevoked({ sid: ended.uid }), false);
    assert.ok((await two.sessions.restoreRevocations()) >= 2);
    assert.ok(await one.revocations.isRevoked({ sid: ended.uid }));
    assert.ok(await one.revocations.isRevoked({ grantId: ended.grantId }));
    assert.equal(await one.revocations.isRevoked({ sid: offline.uid }), false);
    const life = await one.redis.ttl(`revoked:sid:{${ended.uid}}`);
    assert.ok(life > 0 && life <= MAX_TTL + MARGIN);
  });

  it('remembers a token a minute longer than it or any token may live, and no more', async () => {
    const now = Math.floor(clock.now() / 1000);
    await one.revocations.revokeToken({ jti: 'short', exp: now + 10 });
    await one.revocations.revokeToken({ jti: 'long', exp: now + 1e9 });
    await one.revocations.revokeToken({ jti: 'past', exp: now - 1 });
    assert.ok((await one.redis.ttl('revoked:jti:{short}')) <= 10 + MARGIN);
    assert.ok((await one.redis.ttl('revoked:jti:{long}')) <= MAX_TTL + MARGIN);
    assert.equal(await one.revocations.isRevoked({ jti: 'past' }), false);
    assert.equal(await one.revocations.isRevoked({}), false);
  });

  it('fails closed when Redis is down', async () => {
    const redis = one.redis.duplicate();
    redis.disconnect();
    const { createRevocations } = await import('../../../src/infra/revocations.ts');
    const down = createRevocations({ redis, clock, maxTtl: MAX_TTL });
    await assert.rejects(down.isRevoked({ jti: 'x' }), { code: 'IDENT_UNAVAILABLE' });
    await assert.rejects(down.revoke([{ kind: 'jti', id: 'x' }]), { code: 'IDENT_UNAVAILABLE' });
  });
});
