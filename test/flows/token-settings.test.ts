import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { seedClient } from '../helpers/gatehouse.ts';
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

const world = await createWorld();
const { url, deps, people, config } = world;
const jwks = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`));

const create = (metadata: Record<string, unknown>) =>
  seedClient(deps, people.tenantId, { metadata });

const lifeOf = (token: string): number => {
  const { exp = 0, iat = 0 } = decodeJwt(token);
  return exp - iat;
};

/** When a refresh token ends, in seconds since the epoch, as introspection tells. */
const endOf = async (client: Parameters<typeof introspect>[1], token: string): Promise<number> =>
  Number((await introspect(url, client, token)).body.exp);

test('lifetimes of a client are its own; those of others stay the deployment’s', async () => {
  const own = await create({ access_token_ttl: 120, id_token_ttl: 300, refresh_token_ttl: 600 });
  const mine = await signInForTokens(world, { client: own });
  assert.equal(lifeOf(mine.accessToken), 120);
  assert.equal(lifeOf(mine.idToken), 300);
  const left = (await endOf(own, mine.refreshToken)) - Date.now() / 1000;
  assert.ok(left > 500 && left <= 600, String(left));

  const theirs = await signInForTokens(world);
  assert.equal(lifeOf(theirs.accessToken), config.ACCESS_TOKEN_TTL);
  assert.equal(lifeOf(theirs.idToken), config.ID_TOKEN_TTL);
});

test('the lifetime of a client’s refresh tokens is absolute: rotation passes on what is left (ASVS 10.4.8)', async () => {
  const own = await create({ refresh_token_ttl: 600 });
  const { refreshToken } = await signInForTokens(world, { client: own });
  const end = await endOf(own, refreshToken);
  const { body } = await refresh(url, own, refreshToken);
  assert.ok(Math.abs((await endOf(own, String(body.refresh_token))) - end) <= 1);
});

test('a refresh token may outlive the deployment’s lifetime, and its grant with it', async () => {
  const own = await create({ refresh_token_ttl: 90 * 86_400 });
  const { refreshToken } = await signInForTokens(world, { client: own });
  const end = await endOf(own, refreshToken);
  assert.ok(end - Date.now() / 1000 > 89 * 86_400);
  const { expires_at: grantEnd } = await deps.postgres
    .knex('oidc_grants')
    .where({ client_id: own.clientId })
    .first('expires_at');
  assert.ok(grantEnd.getTime() / 1000 >= end - 1);
});

test('a machine’s access token lives as long as its client says', async () => {
  const own = await create({ access_token_ttl: 86_400 });
  const form = { grant_type: 'client_credentials' };
  const { body } = await postForm(`${url}/token`, form, basic(own));
  assert.equal(body.expires_in, 86_400);
  assert.equal(lifeOf(String(body.access_token)), 86_400);
});

test('a long-lived token that is revoked stays revoked for its whole life', async () => {
  const own = await create({ access_token_ttl: 86_400 });
  const { accessToken } = await signInForTokens(world, { client: own });
  const revoked = await postForm(`${url}/revoke`, { token: accessToken }, basic(own));
  assert.equal(revoked.status, 200);
  assert.ok(await isDeadEverywhere(url, own, accessToken));
  const ttl = await deps.redis.ttl(`revoked:jti:{${decodeJwt(accessToken).jti}}`);
  assert.ok(ttl > 86_000, String(ttl));
});

test('the signing algorithm is the client’s, published in the JWKS and taken everywhere here', async () => {
  for (const alg of ['RS256', 'ES256', 'EdDSA']) {
    const own = await create({ access_token_signed_response_alg: alg });
    const { accessToken } = await signInForTokens(world, { client: own });
    assert.equal(decodeProtectedHeader(accessToken).alg, alg);
    await jwtVerify(accessToken, jwks, { audience: `${url}/api`, typ: 'at+jwt' });
    assert.equal((await getJson(`${url}/userinfo`, bearer(accessToken))).status, 200);
    assert.equal((await getJson(`${url}/api/v1/me`, bearer(accessToken))).status, 200);
    assert.equal((await introspect(url, own, accessToken)).body.active, true);
  }
});
