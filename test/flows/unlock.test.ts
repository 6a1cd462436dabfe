import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock } from '../helpers/clock.ts';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { callApi, login } from './auth-support.ts';
import { addressesIn, openSignIn, TRUSTING } from './sign-in-support.ts';
import { addUser, basic, createWorld, eventsOf, postForm } from './support.ts';

/** Locks, and who may lift them. The JSON API and the pages have one set of budgets. */

const clock = createFakeClock();
const world = await createWorld({ settings: TRUSTING, overrides: { clock } });
const { deps, url, people } = world;

const MINUTE = 60_000;
const newAddress = addressesIn('203.0.113');

const withScope = (tenantId: string, scope: string): Promise<TestClient> =>
  seedClient(deps, tenantId, { metadata: { scope } });

async function serviceToken(client: TestClient, scope: string): Promise<string> {
  const form = { grant_type: 'client_credentials', scope };
  const { status, body } = await postForm(`${url}/token`, form, basic(client));
  assert.equal(status, 200);
  return String(body.access_token);
}

const WRITE = 'tenant:users:write';
const operator = await serviceToken(await withScope(people.tenantId, WRITE), WRITE);

const tryLogin = (identifier: string, password: string, address: string) =>
  callApi(url, 'POST', '/auth/login', {
    body: { identifier, password },
    headers: { 'x-forwarded-for': address },
  });

const unlock = (userId: string, token?: string) =>
  callApi(url, 'POST', `/users/${userId}/unlock`, token === undefined ? {} : { token });

async function lock(person: { id: string; identifier: string }): Promise<void> {
  for (let i = 0; i < 10; i += 1) {
    const { status } = await tryLogin(person.identifier, 'wrong', newAddress());
    assert.equal(status, 401);
  }
  assert.equal(await deps.signIn.isLocked(person.id), true);
}

const locked = await addUser(world, 'locked');

test('ten failures by the API close the account for the pages too, with 423 and Retry-After', async () => {
  await lock(locked);
  const byApi = await tryLogin(locked.identifier, locked.password, newAddress());
  assert.equal(byApi.status, 423);
  assert.equal(byApi.body.code, 'IDENT_LOCKED');
  const retryAfter = Number(byApi.headers.get('retry-after'));
  assert.ok(retryAfter > 14 * 60 && retryAfter <= 15 * 60);
  const { attempt } = await openSignIn(world);
  const byPage = await attempt(locked.identifier, locked.password, newAddress());
  assert.equal(byPage.status, 423);
});

test('only a service account of the tenant with the scope lifts a lock', async () => {
  assert.equal((await unlock(locked.id)).status, 401);
  const reader = await withScope(people.tenantId, 'tenant:users:read');
  const tooLittle = await unlock(locked.id, await serviceToken(reader, 'tenant:users:read'));
  assert.equal(tooLittle.status, 403);
  assert.match(tooLittle.headers.get('www-authenticate') ?? '', /error="insufficient_scope"/);

  const person = await unlock(locked.id, (await login(world)).accessToken);
  assert.equal(person.status, 403, 'no person, whoever they are');

  const other = await deps.tenants.create({ slug: 'orchid', name: 'Orchid' });
  const stranger = await serviceToken(await withScope(other.id, WRITE), WRITE);
  const foreign = await unlock(locked.id, stranger);
  assert.equal(foreign.status, 403);
  assert.equal(foreign.body.code, 'IDENT_CROSS_TENANT');
  const unknown = await unlock('01890a5d-ac96-774b-bcce-b302099a8057', operator);
  assert.equal(unknown.status, 404);
  assert.equal((await unlock('1', operator)).body.code, 'IDENT_VALIDATION');
  assert.equal(await deps.signIn.isLocked(locked.id), true, 'still closed');
});

test('an operator lifts a lock by the API: the owner signs in at once, and the audit log tells', async () => {
  assert.equal((await unlock(locked.id, operator)).status, 204);
  assert.equal((await tryLogin(locked.identifier, locked.password, newAddress())).status, 200);
  const changes = await eventsOf(deps, 'identity.user.profile_updated.v1');
  const [change] = changes.filter(({ subject }) => subject === locked.id);
  assert.deepEqual(change?.data, { userId: locked.id, changed: ['lockout'] });
  assert.equal((await unlock(locked.id, operator)).status, 204, 'an open account stays open');
});

test('lifting a lock lifts those of one-time codes and of known browsers with it', async () => {
  const person = await addUser(world, 'codes');
  const { attempt } = await openSignIn(world);
  const { device = '' } = await attempt(person.identifier, person.password, newAddress());
  const stolen = await openSignIn(world, url, device);
  for (let i = 0; i < 11; i += 1) {
    await stolen.attempt(person.identifier, 'wrong', newAddress());
  }
  const address = `email:${person.identifier}`;
  await deps.codes.request('forgot-password', address);
  for (let i = 0; i < 5; i += 1) {
    await assert.rejects(deps.codes.verify('forgot-password', address, 'wrong1'));
  }
  await assert.rejects(deps.codes.verify('forgot-password', address, '000000'), {
    code: 'IDENT_LOCKED',
  });
  assert.equal((await unlock(person.id, operator)).status, 204);
  const { code } = await deps.codes.request('forgot-password', address);
  await deps.codes.verify('forgot-password', address, code);
  await lock(person);
  const known = await openSignIn(world, url, device);
  const answer = await known.attempt(person.identifier, person.password, newAddress());
  assert.equal(answer.status, 303, 'its browser has its tries back');
});

test('the seventh failure of an address by the API waits, with Retry-After and RateLimit headers', async () => {
  const address = newAddress();
  for (let i = 0; i < 6; i += 1) {
    const { status, body } = await tryLogin(`nobody-${i}@lotus.example`, 'wrong', address);
    assert.equal(status, 401);
    assert.equal(body.code, 'IDENT_INVALID_CREDENTIALS');
  }
  const seventh = await tryLogin(people.user.email, people.user.password, address);
  assert.equal(seventh.status, 429);
  assert.equal(seventh.body.code, 'IDENT_RATE_LIMITED');
  assert.ok(Number(seventh.headers.get('retry-after')) <= 300);
  assert.equal(seventh.headers.get('ratelimit-policy'), '6;w=300');
  assert.equal(seventh.headers.get('ratelimit-remaining'), '0');
  assert.ok(Number(seventh.headers.get('ratelimit-reset')) > 0);
  clock.advance(5 * MINUTE);
  assert.equal((await tryLogin(people.user.email, people.user.password, address)).status, 200);
});

test('a lock refuses new sign-ins only: tokens are refreshed, sessions go on', async () => {
  const person = await addUser(world, 'inside');
  const inside = await tryLogin(person.identifier, person.password, newAddress());
  await lock(person);
  const { refreshToken } = inside.body;
  const refreshed = await callApi(url, 'POST', '/auth/refresh', { body: { refreshToken } });
  assert.equal(refreshed.status, 200);
  const me = await callApi(url, 'GET', '/me', { token: String(refreshed.body.accessToken) });
  assert.equal(me.status, 200);
});

test('a caller without cookies is known again by network and kind of agent, whatever its version', async () => {
  const person = await addUser(world, 'app');
  const from = (address: string, agent: string) =>
    callApi(url, 'POST', '/auth/login', {
      body: { identifier: person.identifier, password: person.password },
      headers: { 'x-forwarded-for': address, 'user-agent': agent },
    });
  const tries: [string, string, boolean][] = [
    ['198.51.100.1', 'LotusApp/1.2 (Android 14)', false],
    ['198.51.100.9', 'LotusApp/1.3 (Android 15)', false],
    ['192.0.2.9', 'LotusApp/1.3 (Android 15)', true],
    ['192.0.2.10', 'curl/8.1', true],
    ['192.0.2.11', 'curl/8.2', false],
    ['2001:db8:1:1::1', 'curl/8.2', true],
    ['2001:db8:1:2::1', 'curl/8.2', false],
  ];
  for (const [address, agent] of tries) {
    const { status, headers } = await from(address, agent);
    assert.equal(status, 200);
    assert.deepEqual(headers.getSetCookie(), [], 'the API sets no cookies');
  }
  const events = await eventsOf(deps, 'identity.user.logged_in.v1');
  const own = events.filter(({ subject }) => subject === person.id);
  assert.deepEqual(
    own.map(({ data }) => data.isNewBrowser ?? false),
    tries.map(([, , isNew]) => isNew),
  );
});
