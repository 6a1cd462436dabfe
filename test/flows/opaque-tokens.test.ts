import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedClient } from '../helpers/gatehouse.ts';
import {
  basic,
  bearer,
  createWorld,
  getJson,
  introspect,
  postForm,
  refresh,
  signInForTokens,
  startTwin,
} from './support.ts';

const world = await createWorld({ settings: { ACCESS_TOKEN_FORMAT: 'opaque' } });
const twin = await startTwin(world);
const { url, client } = world;

/** Values that look like a token and are not it. */
const mutations = (token: string): string[] => [
  ...[1, 2, 4, 8, 16, 32].map((cut) => token.slice(0, -cut)),
  ...[1, 4, 16].map((cut) => token.slice(cut)),
  ...['A', '=', '.', ' ', '\u0000', token].map((more) => token + more),
  token.toUpperCase(),
  token.slice(0, 4),
];

test('with ACCESS_TOKEN_FORMAT=opaque a code gives an opaque token that opens userinfo', async () => {
  const { accessToken } = await signInForTokens(world);
  assert.match(accessToken, /^gha_[\w-]{43}$/);
  const { status, body } = await getJson(`${url}/userinfo`, bearer(accessToken));
  assert.equal(status, 200);
  assert.equal(body.sub, world.people.user.id);
});

test('introspection of an opaque token tells the frozen claims', async () => {
  const { accessToken } = await signInForTokens(world);
  const { body } = await introspect(url, client, accessToken);
  assert.equal(body.active, true);
  assert.equal(body.tid, world.people.tenantId);
  assert.deepEqual(body.tids, [world.people.tenantId]);
  assert.deepEqual(body.amr, ['pwd']);
  assert.equal(typeof body.sid, 'string');
});

test('an opaque token without a resource does not open the platform API (RFC 9700 2.3)', async () => {
  const { accessToken } = await signInForTokens(world);
  const { status, body } = await getJson(`${url}/api/v1/me`, bearer(accessToken));
  assert.equal(status, 401);
  assert.equal(body.code, 'IDENT_UNAUTHENTICATED');
});

test('a client that asks for the resource gets a JWT for it all the same (RFC 8707)', async () => {
  const { accessToken } = await signInForTokens(world, { parameters: { resource: `${url}/api` } });
  assert.match(accessToken, /^eyJ/);
  assert.equal((await getJson(`${url}/api/v1/me`, bearer(accessToken))).status, 200);
});

test('client_credentials gives an opaque token that introspection knows', async () => {
  const form = { grant_type: 'client_credentials' };
  const { body } = await postForm(`${url}/token`, form, basic(client));
  assert.match(String(body.access_token), /^ghc_/);
  const { body: facts } = await introspect(url, client, String(body.access_token));
  assert.equal(facts.active, true);
  assert.equal(facts.client_id, client.clientId);
  assert.equal(facts.tid, world.people.tenantId);
});

test('revoking an opaque token ends it here and, within a second, in a second process', async () => {
  const { accessToken } = await signInForTokens(world);
  assert.equal((await introspect(twin.url, client, accessToken)).body.active, true);
  await postForm(`${url}/revoke`, { token: accessToken }, basic(client));
  assert.equal((await introspect(url, client, accessToken)).body.active, false);
  assert.equal((await introspect(twin.url, client, accessToken)).body.active, false);
  assert.equal((await getJson(`${twin.url}/userinfo`, bearer(accessToken))).status, 401);
});

test('an opaque token dies with the refresh token of its grant', async () => {
  const { accessToken, refreshToken } = await signInForTokens(world);
  await postForm(`${url}/revoke`, { token: refreshToken }, basic(client));
  assert.equal((await introspect(url, client, accessToken)).body.active, false);
  assert.equal((await getJson(`${url}/userinfo`, bearer(accessToken))).status, 401);
});

test('a client cannot revoke the token of another client (RFC 7009 2.1)', async () => {
  const other = await seedClient(world.deps, world.people.tenantId);
  const { accessToken, refreshToken } = await signInForTokens(world);
  for (const token of [accessToken, refreshToken]) {
    await postForm(`${url}/revoke`, { token }, basic(other));
  }
  assert.equal((await introspect(url, client, accessToken)).body.active, true);
  assert.equal((await refresh(url, client, refreshToken)).status, 200);
});

test('a truncated, extended or altered token is no token (GHSA-6mq3-xmgp-pjm5)', async () => {
  const { accessToken, refreshToken } = await signInForTokens(world);
  for (const token of mutations(accessToken)) {
    const { body } = await introspect(url, client, token);
    assert.equal(body.active, false, `introspection took ${JSON.stringify(token)}`);
  }
  for (const token of mutations(refreshToken)) {
    const { status, body } = await refresh(url, client, token);
    assert.equal(status, 400, JSON.stringify(token));
    assert.equal(body.error, 'invalid_grant');
    assert.equal((await introspect(url, client, token)).body.active, false);
  }
  assert.equal((await introspect(url, client, accessToken)).body.active, true);
});

test('a truncated, extended or altered JWT is no token (GHSA-6mq3-xmgp-pjm5)', async () => {
  const { accessToken } = await signInForTokens(world, { parameters: { resource: `${url}/api` } });
  const [header = '', payload = '', signature = ''] = accessToken.split('.');
  const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url');
  const altered = [
    ...mutations(accessToken).filter((token) => token !== `${accessToken}=`),
    `${header}.${payload}.`,
    `${header}.${payload}`,
    `${none}.${payload}.`,
    `${none}.${payload}.${signature}`,
    `${header}.${payload.slice(0, -2)}AA.${signature}`,
  ];
  for (const token of altered) {
    const { body } = await introspect(url, client, token);
    assert.equal(body.active, false, `introspection took ${token.slice(0, 40)}…`);
  }
});

test('tokens at rest are hashes: neither store holds a bearer value (contract 2)', async () => {
  const { accessToken, refreshToken } = await signInForTokens(world);
  const { rows } = await world.deps.postgres.knex.raw(
    `SELECT r::text AS text FROM oidc_refresh_tokens r
      UNION ALL SELECT s::text FROM sessions s UNION ALL SELECT g::text FROM oidc_grants g`,
  );
  const stored: string[] = rows.map((row: { text: string }) => row.text);
  const { redis, config } = world.deps;
  for (const key of await redis.keys(`${config.REDIS_PREFIX}*`)) {
    const plain = key.slice(config.REDIS_PREFIX.length);
    const type = await redis.type(plain);
    if (type === 'hash') stored.push(key, JSON.stringify(await redis.hgetall(plain)));
    else if (type === 'string') stored.push(key, (await redis.get(plain)) ?? '');
  }
  assert.ok(stored.length > 3);
  for (const secret of [accessToken, refreshToken]) {
    assert.ok(!stored.some((text) => text.includes(secret)));
    assert.ok(!stored.some((text) => text.includes(secret.slice(4))));
  }
});
