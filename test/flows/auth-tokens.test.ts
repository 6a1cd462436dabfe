import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose';
import { AppError } from '../../src/kernel/errors.ts';
import { CHEAP_HASHES, callApi, login, refreshApi } from './auth-support.ts';
import {
  basic,
  bearer,
  createWorld,
  getJson,
  introspect,
  isDeadEverywhere,
  postForm,
  refresh,
  signInForTokens,
} from './support.ts';

/** Tokens of the first-party API are those that any OIDC client gets: one engine makes both. */

const world = await createWorld({ settings: CHEAP_HASHES });
const { url, client, people, deps } = world;
const API_CLIENT = 'gatehouse-api';

const sorted = (names: Iterable<string>) => [...names].sort();

/** What must differ between two tokens of one person. */
const OF_ONE_TOKEN = ['jti', 'iat', 'exp', 'sid', 'auth_time', 'client_id'];

const shared = (claims: JWTPayload) =>
  Object.fromEntries(Object.entries(claims).filter(([name]) => !OF_ONE_TOKEN.includes(name)));

/** A request to the token endpoint as the API's own client, which has no secret. */
const asApi = (form: Record<string, string>) =>
  postForm(`${url}/token`, { client_id: API_CLIENT, ...form });

test('claims and header are those of a code flow: the frozen shape and RFC 9068 2.2', async () => {
  const code = await signInForTokens(world, {
    parameters: { scope: 'openid profile email phone' },
  });
  const first = await login(world);
  const { body } = await refreshApi(url, first.refreshToken);
  const expected = decodeJwt(code.accessToken);
  for (const token of [first.accessToken, String(body.accessToken)]) {
    const claims = decodeJwt(token);
    assert.deepEqual(sorted(Object.keys(claims)), sorted(Object.keys(expected)));
    assert.deepEqual(shared(claims), shared(expected));
    assert.deepEqual(decodeProtectedHeader(token), decodeProtectedHeader(code.accessToken));
    assert.equal(claims.client_id, API_CLIENT);
    assert.equal(Number(claims.exp) - Number(claims.iat), 900);
  }
  assert.equal(decodeJwt(String(body.accessToken)).sid, decodeJwt(first.accessToken).sid);
});

test('a token opens the API and userinfo; introspection and revocation treat it like any other', async () => {
  const { accessToken } = await login(world);
  assert.equal((await callApi(url, 'GET', '/me', { token: accessToken })).body.id, people.user.id);
  const userinfo = await getJson(`${url}/userinfo`, bearer(accessToken));
  assert.equal(userinfo.body.email, people.user.email);
  const { body } = await introspect(url, client, accessToken);
  assert.equal(body.active, true);
  assert.equal(body.client_id, API_CLIENT);
  const revoked = await postForm(`${url}/revoke`, { token: accessToken, client_id: API_CLIENT });
  assert.equal(revoked.status, 200);
  assert.equal((await callApi(url, 'GET', '/me', { token: accessToken })).status, 401);
});

test('access lives 15 minutes, the family 8 hours from the sign-in (ASVS 10.4.8)', async (t) => {
  const start = Date.now();
  const at = (seconds: number) => t.mock.timers.setTime(start + seconds * 1_000);
  const first = await login(world);
  t.mock.timers.enable({ apis: ['Date'], now: start });
  const statusOf = async (token: string) => (await callApi(url, 'GET', '/me', { token })).status;
  at(899);
  assert.equal(await statusOf(first.accessToken), 200);
  at(902);
  assert.equal(await statusOf(first.accessToken), 401);
  let token = first.refreshToken;
  for (const hour of [3, 6, 7.9]) {
    at(hour * 3_600);
    const { status, body } = await refreshApi(url, token);
    assert.equal(status, 200, `after ${hour} h`);
    token = String(body.refreshToken);
  }
  at(8.01 * 3_600);
  const { status, body } = await refreshApi(url, token);
  assert.equal(status, 401);
  assert.equal(body.code, 'IDENT_UNAUTHENTICATED');
});

test('the token endpoint rotates the same tokens for the same client, and ends a replay (RFC 9700 4.14.2)', async () => {
  const first = await login(world);
  const second = await asApi({ grant_type: 'refresh_token', refresh_token: first.refreshToken });
  assert.equal(second.status, 200);
  const third = await refreshApi(url, String(second.body.refresh_token));
  assert.equal(third.status, 200);
  const replay = await asApi({ grant_type: 'refresh_token', refresh_token: first.refreshToken });
  assert.equal(replay.status, 400);
  assert.equal(replay.body.error, 'invalid_grant');
  assert.equal((await refreshApi(url, String(third.body.refreshToken))).status, 401);
  for (const token of [first.accessToken, third.body.accessToken]) {
    assert.ok(await isDeadEverywhere(url, client, String(token)));
  }
});

test('a refresh token is of use to its own client only, here and there (RFC 9700 2.2.2)', async () => {
  const theirs = await signInForTokens(world);
  const stolen = await refreshApi(url, theirs.refreshToken);
  assert.equal(stolen.status, 401);
  assert.equal(stolen.body.code, 'IDENT_UNAUTHENTICATED');
  assert.equal((await refresh(url, client, theirs.refreshToken)).status, 200);
  const ours = await login(world);
  assert.equal((await refresh(url, client, ours.refreshToken)).body.error, 'invalid_grant');
  assert.equal((await refreshApi(url, ours.refreshToken)).status, 200);
});

test('nothing but a sign-in makes such tokens: the way in is not on HTTP', async () => {
  const grants: [Record<string, string>, string][] = [
    [{ grant_type: 'first_party', username: people.user.email }, 'unsupported_grant_type'],
    [{ grant_type: 'password', username: people.user.email }, 'unsupported_grant_type'],
    [{ grant_type: 'client_credentials' }, 'invalid_request'],
    [{ grant_type: 'authorization_code', code: 'x' }, 'invalid_request'],
    [
      { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: 'x' },
      'invalid_request',
    ],
  ];
  for (const [form, error] of grants) {
    const { status, body } = await asApi(form);
    assert.deepEqual([status, body.error], [400, error], form.grant_type);
  }
  const { body } = await getJson(`${url}/.well-known/openid-configuration`);
  assert.ok(!(body.grant_types_supported as string[]).includes('first_party'));
  for (const path of ['/device_authorization', '/ciba', '/par']) {
    const answer = await postForm(url + path, {
      ...{ client_id: API_CLIENT, scope: 'openid', login_hint: people.user.email },
      ...{ response_type: 'code', redirect_uri: 'http://localhost:4999/callback' },
    });
    assert.ok(answer.status === 400 || answer.status === 401, `${path} ${answer.status}`);
  }
  const query = new URLSearchParams({
    ...{ client_id: API_CLIENT, response_type: 'code', scope: 'openid' },
    redirect_uri: 'http://localhost:4999/callback',
  });
  const page = await fetch(`${url}/authorize?${query}`, { redirect: 'manual' });
  assert.equal(page.status, 400);
});

test('nobody else can have the id of a built-in client', async () => {
  for (const clientId of [API_CLIENT, 'gatehouse-pages']) {
    const metadata = { redirect_uris: ['https://evil.example/'] };
    await assert.rejects(
      deps.clients.create({ tenantId: people.tenantId, clientId, metadata }),
      (error) => error instanceof AppError && error.code === 'IDENT_VALIDATION',
    );
  }
  const other = await postForm(
    `${url}/token`,
    { grant_type: 'refresh_token', client_id: API_CLIENT, refresh_token: 'x' },
    basic(client),
  );
  assert.notEqual(other.status, 200);
});

test('the acting tenant is the one asked for, where the person is a member; else the home tenant', async () => {
  const guest = await deps.tenants.create({ slug: 'orchid', name: 'Orchid Clinic' });
  const stranger = await deps.tenants.create({ slug: 'nobody', name: 'Nobody' });
  await deps.users.addToTenant(guest.id, people.user.id, []);
  const { email: identifier, password } = people.user;
  const ask = (tenant?: string) =>
    callApi(url, 'POST', '/auth/login', {
      body: { identifier, password, ...(tenant === undefined ? {} : { tenant }) },
    });
  const tidOf = (body: Record<string, unknown>) => decodeJwt(String(body.accessToken)).tid;
  assert.equal(tidOf((await ask()).body), people.tenantId);
  const acting = await ask('orchid');
  assert.equal(tidOf(acting.body), guest.id);
  assert.deepEqual(
    sorted(decodeJwt(String(acting.body.accessToken)).tids as string[]),
    sorted([people.tenantId, guest.id]),
  );
  const kept = await refreshApi(url, String(acting.body.refreshToken));
  assert.equal(tidOf(kept.body), guest.id, 'a refresh keeps it');
  for (const tenant of [stranger.slug, 'there-is-none', "'; --"]) {
    const refused = await ask(tenant);
    assert.deepEqual([refused.status, refused.body.code], [401, 'IDENT_INVALID_CREDENTIALS']);
  }
});

test('tokens of the API are JWTs in a deployment of opaque tokens too: the API takes no others', async () => {
  const opaque = await createWorld({
    settings: { ...CHEAP_HASHES, ACCESS_TOKEN_FORMAT: 'opaque' },
  });
  const first = await login(opaque);
  const { body } = await refreshApi(opaque.url, first.refreshToken);
  for (const token of [first.accessToken, String(body.accessToken)]) {
    assert.equal(decodeJwt(token).aud, `${opaque.url}/api`);
    assert.equal((await callApi(opaque.url, 'GET', '/me', { token })).status, 200);
  }
});

test('a sign-in that the person proved and then lost the right to gives no tokens', async () => {
  const user = await deps.users
    .create({ tenantId: people.tenantId, username: 'late', status: 'active' }, people.user.password)
    .then(async ({ id }) => (await deps.users.findCandidate(id)) ?? assert.fail());
  const signedIn = await deps.signIn.admit(user, { amr: ['pwd'], clientId: API_CLIENT });
  await deps.postgres.knex('users').where({ id: user.id }).update({ status: 'suspended' });
  await assert.rejects(
    deps.auth.complete(signedIn, { tenantId: null }),
    (error) => error instanceof AppError && error.code === 'IDENT_INVALID_CREDENTIALS',
  );
  assert.deepEqual(await deps.sessions.list(people.tenantId, user.id), []);
});
