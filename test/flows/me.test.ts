import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addUser, bearer, createWorld, eventsOf, getJson, signInForTokens } from './support.ts';

const world = await createWorld({ settings: { ACCESS_TOKEN_TTL: '3600' } });
const { people, url, deps } = world;
await deps.tenants.updateSettings(people.tenantId, {
  userAttributes: {
    type: 'object',
    properties: {
      ward: { type: 'string', maxLength: 20 },
      badge: { type: 'string', readOnly: true },
    },
  },
});
const { accessToken } = await signInForTokens(world);

const request = async (method: string, path: string, body?: unknown, headers: object = {}) => {
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: {
      ...bearer(accessToken),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    etag: response.headers.get('etag'),
    headers: response.headers,
    body: text ? JSON.parse(text) : {},
  };
};
const patch = (body: unknown, headers: object = {}) => request('PATCH', '/me', body, headers);

test('a profile is changed member by member: what is left out stays, null empties', async () => {
  const before = await request('GET', '/me');
  assert.match(before.etag ?? '', /^"\d+"$/);
  const changed = await patch({
    givenName: 'An',
    familyName: 'Nguyễn',
    locale: 'vi',
    zoneinfo: 'Asia/Ho_Chi_Minh',
    attributes: { ward: 'North' },
  });
  assert.equal(changed.status, 200);
  assert.equal(changed.body.givenName, 'An');
  assert.equal(changed.body.name, before.body.name);
  assert.deepEqual(changed.body.attributes, { ward: 'North' });
  assert.notEqual(changed.etag, before.etag);
  const emptied = await patch({ familyName: null, attributes: { ward: null } });
  assert.equal(emptied.body.familyName, null);
  assert.deepEqual(emptied.body.attributes, {});
  assert.equal((await request('GET', '/me')).etag, emptied.etag);

  const updates = await eventsOf(deps, 'identity.user.profile_updated.v1');
  assert.deepEqual(updates.at(-2)?.data, {
    userId: people.user.id,
    changed: ['attributes', 'familyName', 'givenName', 'locale', 'zoneinfo'].sort(),
  });
  assert.deepEqual(updates.at(-1)?.data.changed, ['attributes', 'familyName']);

  const same = await patch({ familyName: null });
  assert.equal(same.etag, emptied.etag, 'what changes nothing is no change');
  assert.equal((await eventsOf(deps, 'identity.user.profile_updated.v1')).length, updates.length);
});

test('of two changes of one version the second is refused (If-Match, RFC 9110 13.1.1)', async () => {
  const { etag } = await request('GET', '/me');
  const first = await patch({ name: 'An N.' }, { 'if-match': etag });
  assert.equal(first.status, 200);
  const second = await patch({ name: 'Overwritten' }, { 'if-match': etag });
  assert.equal(second.status, 412);
  assert.equal(second.body.code, 'IDENT_STALE_VERSION');
  const cases: [string, number][] = [
    ['*', 200],
    [`"0", ${first.etag}`, 200],
    [`W/${first.etag}`, 412],
    ['"0"', 412],
    ['12', 400],
  ];
  for (const [header, status] of cases) {
    const answer = await patch({ name: 'An N.' }, { 'if-match': header });
    assert.equal(answer.status, status, header);
  }
});

test('of many changes of one version at once exactly one is made', async () => {
  const { etag } = await request('GET', '/me');
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      patch({ name: `Racer ${index}` }, { 'if-match': etag }),
    ),
  );
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  assert.equal(answers.filter(({ status }) => status === 412).length, 9);
});

test('nobody verifies, promotes or renames themselves by a change of profile (CVE-2026-27946)', async () => {
  const before = (await request('GET', '/me')).body;
  for (const body of [
    { email: 'x@lotus.example' },
    { emailVerified: true },
    { email_verified: true },
    { phone: '+84901234567' },
    { phoneVerified: true },
    { username: 'root' },
    { status: 'active' },
    { roles: ['tenant_admin'] },
    { id: people.user.id },
    { tenantId: people.tenantId },
    { version: 1 },
    { zoneinfo: 'Mars/Olympus' },
    { locale: 'fr' },
    { name: '' },
    { name: 'a\0b' },
    { name: '\ud800' },
    { attributes: { ward: 1 } },
    { attributes: { unknown: 'x' } },
    { attributes: { badge: 'gold' } },
    { attributes: null },
  ]) {
    const answer = await patch(body);
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.equal(answer.body.code, 'IDENT_VALIDATION');
  }
  assert.deepEqual((await request('GET', '/me')).body, before);
});

test('what an administrator has set is shown, and stays through changes of one’s own', async () => {
  const target = { tenantId: people.tenantId, userId: people.user.id };
  await deps.users.update(target, { attributes: { badge: 'silver' } }, 'administrator');
  const { body } = await patch({ attributes: { ward: 'South' } });
  assert.deepEqual(body.attributes, { badge: 'silver', ward: 'South' });
});

test('a copy of one’s data has all of it and nobody else’s, and no secrets (GDPR 15)', async () => {
  const other = await addUser(world, 'stranger');
  await deps.outbox.drain();
  const copy = await request('GET', '/me/export');
  assert.equal(copy.status, 200);
  assert.match(copy.headers.get('content-disposition') ?? '', /^attachment; filename="/);
  const { profile, memberships, sessions, signIns, grants, history } = copy.body;
  assert.equal(profile.email, people.user.email);
  assert.equal(memberships[0].tenantId, people.tenantId);
  assert.equal(sessions.length, 1);
  assert.deepEqual(
    signIns.map(({ sessionId, amr }: Record<string, unknown>) => [sessionId, amr]),
    [[sessions[0].id, ['pwd']]],
  );
  assert.equal(grants[0].clientId, world.client.clientId);
  assert.ok(grants[0].scopes.includes('openid'));
  const types = history.map(({ type }: { type: string }) => type);
  assert.ok(types.includes('identity.user.logged_in.v1'), types.join());
  const text = JSON.stringify(copy.body);
  assert.ok(!text.includes(other.id) && !text.includes(other.identifier));
  assert.doesNotMatch(text, /argon2|hash|sealed|secret/i);
});

test('an account is deleted only soon after its owner signed in (RFC 9470, ASVS 7.5.1)', async (t) => {
  // Within the life of an access token, whose clock is that of the engine.
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 901_000 });
  const stale = await request('DELETE', '/me');
  assert.equal(stale.status, 401);
  assert.match(
    stale.headers.get('www-authenticate') ?? '',
    /insufficient_user_authentication.*max_age="?900/,
  );
  const again = await signInForTokens(world);
  const deleted = await fetch(`${url}/api/v1/me`, {
    method: 'DELETE',
    headers: bearer(again.accessToken),
  });
  assert.equal(deleted.status, 204);
  for (const token of [accessToken, again.accessToken]) {
    assert.equal((await getJson(`${url}/api/v1/me`, bearer(token))).status, 401);
  }
  const left = await deps.users.find(people.tenantId, people.user.id);
  assert.equal(left?.status, 'deactivated');
  assert.equal(left?.email, null);
});
