import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose';
import { callApi, login, refreshApi } from './auth-support.ts';
import { bearer, createWorld, getJson, introspect, postForm, signInForTokens } from './support.ts';

/** Tokens of the first-party API are those that any OIDC client gets: one engine makes both. */

const world = await createWorld();
const { url, client, people } = world;
const API_CLIENT = 'gatehouse-api';

const sorted = (names: Iterable<string>) => [...names].sort();

/** What must differ between two tokens of one person. */
const OF_ONE_TOKEN = ['jti', 'iat', 'exp', 'sid', 'auth_time', 'client_id'];

const shared = (claims: JWTPayload) =>
  Object.fromEntries(Object.entries(claims).filter(([name]) => !OF_ONE_TOKEN.includes(name)));

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
