import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deps } from '../../src/deps.ts';
import {
  addUser,
  bearer,
  createWorld,
  eventsOf,
  getJson,
  isDeadEverywhere,
  refresh,
  type SignedIn,
  signInForTokens,
} from './support.ts';

const world = await createWorld();
const { deps, url, client, people } = world;
const { tenantId } = people;
const other = await deps.tenants.create({ slug: 'maple', name: 'Maple Clinic' });
const { lifecycle } = deps;

/** A user of the tenant who has signed in. */
async function enter(name: string): Promise<SignedIn & { userId: string; identifier: string }> {
  const { id, ...credentials } = await addUser(world, name);
  const signedIn = await signInForTokens(world, { credentials });
  return { ...signedIn, userId: id, identifier: credentials.identifier };
}

const signInAgain = (identifier: string) =>
  deps.signIn.withPassword({
    identifier,
    password: 'another fine password',
    organisation: null,
    tenantId,
    clientId: null,
    clientIp: '192.0.2.7',
  });

async function assertEnded(person: SignedIn & { userId: string }): Promise<void> {
  assert.deepEqual(await deps.sessions.list(tenantId, person.userId), []);
  assert.ok(await isDeadEverywhere(url, client, person.accessToken));
  const refreshed = await refresh(url, client, person.refreshToken);
  assert.equal(refreshed.status, 400);
  assert.equal(refreshed.body.error, 'invalid_grant');
}

const typesOf = async (subject: string) =>
  (await eventsOf(deps)).filter((event) => event.subject === subject).map(({ type }) => type);

test('a suspension ends every session and token at once, and a reactivation brings none back (ASVS 7.4.2, CVE-2025-64521)', async () => {
  const person = await enter('suspended');
  const target = { tenantId, userId: person.userId };
  const suspended = await lifecycle.suspend(target);
  assert.equal(suspended.status, 'suspended');
  await assertEnded(person);
  await assert.rejects(signInAgain(person.identifier), { code: 'IDENT_INVALID_CREDENTIALS' });

  const reactivated = await lifecycle.reactivate(target);
  assert.equal(reactivated.status, 'active');
  assert.ok(reactivated.version > suspended.version);
  await assertEnded(person);
  assert.equal((await signInAgain(person.identifier)).user.id, person.userId);
  const types = await typesOf(person.userId);
  assert.ok(types.includes('identity.user.suspended.v1'));
  assert.ok(types.includes('identity.user.reactivated.v1'));
  const revoked = await eventsOf(deps, 'identity.session.revoked.v1');
  assert.equal(revoked.at(-1)?.data.reason, 'user_suspended');
});

test('a change that the state does not allow is refused, with nothing changed or told', async () => {
  const { id: userId } = await addUser(world, 'stubborn');
  const target = { tenantId, userId };
  const before = await eventsOf(deps);
  await assert.rejects(lifecycle.reactivate(target), { code: 'IDENT_INVALID_TRANSITION' });
  await assert.rejects(lifecycle.activate(target), { code: 'IDENT_INVALID_TRANSITION' });
  assert.equal((await eventsOf(deps)).length, before.length);
  await lifecycle.erase(target);
  for (const change of [lifecycle.suspend, lifecycle.reactivate, lifecycle.erase]) {
    await assert.rejects(change(target), { code: 'IDENT_INVALID_TRANSITION' });
  }
  await assert.rejects(deps.users.update(target, { name: 'Back' }, 'administrator'), {
    code: 'IDENT_INVALID_TRANSITION',
  });
});

test('a user of another tenant is not found, whatever is done to it', async () => {
  const { userId } = await enter('foreign');
  const target = { tenantId: other.id, userId };
  const all = [lifecycle.suspend, lifecycle.reactivate, lifecycle.activate, lifecycle.erase];
  for (const change of all) await assert.rejects(change(target), { code: 'IDENT_NOT_FOUND' });
  await assert.rejects(deps.users.update(target, { name: 'x' }, 'administrator'), {
    code: 'IDENT_NOT_FOUND',
  });
  await assert.rejects(lifecycle.suspend({ tenantId: 'x', userId: 'y' }), {
    code: 'IDENT_NOT_FOUND',
  });
  assert.equal((await deps.users.find(tenantId, userId))?.status, 'active');
});

test('a change of a version that is no more is refused, and of two at once one is made', async () => {
  const { id: userId } = await addUser(world, 'versioned');
  const target = { tenantId, userId };
  const { version } = (await deps.users.find(tenantId, userId)) ?? { version: 0 };
  await assert.rejects(lifecycle.suspend({ ...target, expectedVersion: version + 1 }), {
    code: 'IDENT_STALE_VERSION',
  });
  const both = await Promise.allSettled([
    lifecycle.suspend({ ...target, expectedVersion: version }),
    deps.users.update({ ...target, expectedVersion: version }, { name: 'New' }, 'administrator'),
  ]);
  assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
});

/** The same deployment, whose Redis does not take revocations: as if the process died there. */
async function withoutRevocations<T>(work: () => Promise<T>): Promise<T> {
  const { redis } = deps as Deps & { redis: { set: unknown } };
  const set = redis.set;
  redis.set = () => Promise.reject(new Error('gone'));
  try {
    return await work();
  } finally {
    redis.set = set;
  }
}

test('a process that dies after the commit leaves no session behind: what was left is ended by the event', async () => {
  const person = await enter('crashed');
  const target = { tenantId, userId: person.userId };
  await withoutRevocations(() => lifecycle.suspend(target));
  assert.deepEqual(await deps.sessions.list(tenantId, person.userId), []);
  // A sign-in that was under way when the account was closed saves its session after.
  await deps.postgres.knex.raw(
    `INSERT INTO sessions (id, id_hash, id_sealed, user_id, tenant_id, payload, created_at,
       last_seen_at, expires_at)
     VALUES (gen_random_uuid(), sha256(gen_random_uuid()::text::bytea), '', ?, ?, '{}', now(), now(),
       now() + interval '1 hour')`,
    [person.userId, tenantId],
  );
  await lifecycle.completeClosing(person.userId);
  await lifecycle.completeClosing(person.userId);
  await lifecycle.reactivate(target);
  await assertEnded(person);
});

test('the event of an account that was opened again since ends nothing', async () => {
  const { id: userId, ...credentials } = await addUser(world, 'reopened');
  const target = { tenantId, userId };
  await lifecycle.suspend(target);
  await lifecycle.reactivate(target);
  const { accessToken } = await signInForTokens(world, { credentials });
  await lifecycle.completeClosing(userId);
  assert.equal((await getJson(`${url}/api/v1/me`, bearer(accessToken))).status, 200);
});

test('sign-ins and a suspension at once end with nobody signed in', async () => {
  const { id: userId, ...credentials } = await addUser(world, 'racing');
  const signIns = Array.from({ length: 3 }, () =>
    signInForTokens(world, { credentials }).catch(() => undefined),
  );
  const [, ...entered] = await Promise.all([lifecycle.suspend({ tenantId, userId }), ...signIns]);
  await lifecycle.completeClosing(userId);
  assert.deepEqual(await deps.sessions.list(tenantId, userId), []);
  await lifecycle.reactivate({ tenantId, userId });
  for (const one of entered) {
    if (one) assert.ok(await isDeadEverywhere(url, client, one.accessToken));
  }
});
