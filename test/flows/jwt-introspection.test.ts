import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compactDecrypt, createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import * as openid from 'openid-client';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { createKeys } from '../helpers/keys.ts';
import { discover } from '../helpers/openid.ts';
import { basic, createWorld, postForm, signInForTokens } from './support.ts';

const world = await createWorld();
const { url, people, deps, client } = world;
const endpoint = `${url}/introspect`;
const jwks = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`));
const TYPE = 'application/token-introspection+jwt';
const { accessToken } = await signInForTokens(world);

/** Asks for the answer as a JWT (RFC 9701 4). */
const ask = async (of: TestClient, token: string): Promise<Response> =>
  fetch(endpoint, {
    method: 'POST',
    headers: { ...basic(of), accept: TYPE },
    body: new URLSearchParams({ token }),
  });

for (const alg of ['RS256', 'ES256', 'EdDSA']) {
  test(`who asks for a JWT gets one signed by ${alg}, for it alone (RFC 9701 5)`, async () => {
    const of = await seedClient(deps, people.tenantId, {
      metadata: { introspection_signed_response_alg: alg },
    });
    const response = await ask(of, accessToken);
    assert.equal(response.status, 200);
    assert.match(
      response.headers.get('content-type') ?? '',
      new RegExp(`^${TYPE.replace('+', '\\+')}`),
    );
    const jwt = await response.text();
    assert.equal(decodeProtectedHeader(jwt).alg, alg);
    const { payload } = await jwtVerify<{ token_introspection: Record<string, unknown> }>(
      jwt,
      jwks,
      {
        issuer: url,
        audience: of.clientId,
        typ: 'token-introspection+jwt',
        requiredClaims: ['iat'],
      },
    );
    assert.equal(payload.token_introspection.active, true);
    assert.equal(payload.token_introspection.client_id, client.clientId);
    // It is no access token, and must not pass for one (RFC 9701 5, 8.1).
    assert.equal(payload.sub, undefined);
    assert.equal(payload.exp, undefined);
  });
}

test('openid-client introspects by JWT', async () => {
  const of = await seedClient(deps, people.tenantId, {
    metadata: { introspection_signed_response_alg: 'ES256' },
  });
  const configuration = await discover(url, of);
  const claims = await openid.tokenIntrospection(configuration, accessToken);
  assert.equal(claims.active, true);
  assert.equal(claims.sub, people.user.id);
});

test('an answer may be encrypted to who asks (RFC 9701 5)', async () => {
  const keys = await createKeys('RSA-OAEP-256', 'enc');
  const of = await seedClient(deps, people.tenantId, {
    metadata: {
      jwks: keys.jwks,
      introspection_signed_response_alg: 'ES256',
      introspection_encrypted_response_alg: 'RSA-OAEP-256',
      introspection_encrypted_response_enc: 'A256GCM',
    },
  });
  const { plaintext } = await compactDecrypt(
    await (await ask(of, accessToken)).text(),
    keys.privateKey,
  );
  const { payload } = await jwtVerify<{ token_introspection: { active: boolean } }>(
    new TextDecoder().decode(plaintext),
    jwks,
    { issuer: url, audience: of.clientId },
  );
  assert.equal(payload.token_introspection.active, true);
});

test('of a token that is none, or ended, the JWT says so and nothing more (RFC 9701 5, RFC 7662 2.2)', async () => {
  const ended = await signInForTokens(world);
  await postForm(`${url}/revoke`, { token: ended.accessToken }, basic(client));
  for (const token of ['unknown', ended.accessToken, `${accessToken}x`]) {
    const { payload } = await jwtVerify(await (await ask(client, token)).text(), jwks);
    assert.deepEqual(payload.token_introspection, { active: false });
  }
});

test('a JWT is for those who authenticate (RFC 9701 6.1)', async () => {
  const wrong = await ask({ ...client, clientSecret: 'wrong' }, accessToken);
  assert.equal(wrong.status, 401);
  assert.equal(((await wrong.json()) as { error: string }).error, 'invalid_client');
});

test('without asking for it, the answer stays JSON (RFC 7662 2.2)', async () => {
  const { headers, body } = await postForm(endpoint, { token: accessToken }, basic(client));
  assert.match(headers.get('content-type') ?? '', /^application\/json/);
  assert.equal(body.active, true);
});
