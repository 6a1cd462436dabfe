import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { compactDecrypt, createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import * as openid from 'openid-client';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { type ClientKeys, createKeys } from '../helpers/keys.ts';
import { authorizationRequest, discover, signIn } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { bearer, createWorld, getJson, signInForTokens } from './support.ts';

const world = await createWorld();
const { url, people, deps } = world;
const jwks = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`));
const credentials = { identifier: people.user.email, password: people.user.password };

const seed = (metadata: Record<string, unknown>) => seedClient(deps, people.tenantId, { metadata });

const ENCRYPTED: [alg: string, enc: string][] = [
  ['RSA-OAEP-256', 'A256GCM'],
  ['RSA-OAEP-256', 'A256CBC-HS512'],
  ['ECDH-ES', 'A128GCM'],
  ['ECDH-ES+A256KW', 'A128CBC-HS256'],
];

/** A sign-in by openid-client, which opens what is encrypted to it. */
async function signInWith(of: TestClient, keys: ClientKeys, enc: string) {
  const configuration = await discover(url, of);
  openid.enableDecryptingResponses(configuration, [enc], {
    key: keys.privateKey,
    alg: keys.alg,
    kid: String(keys.publicJwk.kid),
  });
  const request = await authorizationRequest(configuration, of.redirectUri);
  const redirect = await signIn(createUserAgent(url), request, credentials);
  const tokens = await openid.authorizationCodeGrant(configuration, redirect, {
    pkceCodeVerifier: request.verifier,
    expectedState: request.state,
    expectedNonce: request.nonce,
  });
  return { configuration, tokens };
}

for (const [alg, enc] of ENCRYPTED) {
  test(`openid-client reads its ID token and userinfo, encrypted by ${alg} and ${enc} (Core 16.14)`, async () => {
    const keys = await createKeys(alg, 'enc');
    const of = await seed({
      jwks: keys.jwks,
      id_token_encrypted_response_alg: alg,
      id_token_encrypted_response_enc: enc,
      userinfo_signed_response_alg: 'ES256',
      userinfo_encrypted_response_alg: alg,
      userinfo_encrypted_response_enc: enc,
    });
    const { configuration, tokens } = await signInWith(of, keys, enc);
    const sub = tokens.claims()?.sub ?? '';
    assert.equal(sub, people.user.id);
    const info = await openid.fetchUserInfo(configuration, tokens.access_token, sub);
    assert.equal(info.email, people.user.email);
    const sent = await fetch(`${url}/userinfo`, { headers: bearer(tokens.access_token) });
    assert.match(sent.headers.get('content-type') ?? '', /^application\/jwt/);
    const jwe = await sent.text();
    assert.deepEqual(
      [
        decodeProtectedHeader(jwe).alg,
        decodeProtectedHeader(jwe).enc,
        decodeProtectedHeader(jwe).cty,
      ],
      [alg, enc, 'JWT'],
    );
    // Signed within: encryption alone tells nobody who wrote it (Core 16.14).
    const { plaintext } = await compactDecrypt(jwe, keys.privateKey);
    const { payload } = await jwtVerify(new TextDecoder().decode(plaintext), jwks, {
      issuer: url,
      audience: of.clientId,
    });
    assert.equal(payload.email, people.user.email);
  });
}

for (const alg of ['RS256', 'ES256', 'EdDSA']) {
  test(`ID token and userinfo are signed by ${alg} for a client that asks for it (Core 2, 5.3.2)`, async () => {
    const of = await seed({ id_token_signed_response_alg: alg, userinfo_signed_response_alg: alg });
    const { accessToken, idToken } = await signInForTokens(world, { client: of });
    const sent = await fetch(`${url}/userinfo`, { headers: bearer(accessToken) });
    for (const jwt of [idToken, await sent.text()]) {
      assert.equal(decodeProtectedHeader(jwt).alg, alg);
      const { payload } = await jwtVerify(jwt, jwks, { issuer: url, audience: of.clientId });
      assert.equal(payload.sub, people.user.id);
    }
  });
}

test('HS256 signs by the secret of the client, which is sealed for it (Core 10.1)', async () => {
  const of = await seed({
    id_token_signed_response_alg: 'HS256',
    userinfo_signed_response_alg: 'HS256',
  });
  const { accessToken, idToken } = await signInForTokens(world, { client: of });
  const sent = await fetch(`${url}/userinfo`, { headers: bearer(accessToken) });
  const key = new TextEncoder().encode(of.clientSecret);
  for (const jwt of [idToken, await sent.text()]) {
    const { payload } = await jwtVerify(jwt, key, { issuer: url, audience: of.clientId });
    assert.equal(payload.sub, people.user.id);
  }
  const row = await deps.postgres
    .knex('clients')
    .where({ client_id: of.clientId })
    .first(deps.postgres.knex.raw('clients::text AS text'));
  assert.ok(!row.text.includes(of.clientSecret));
});

for (const [alg, size] of [
  ['A128KW', 16],
  ['A256KW', 32],
  ['dir', 32],
] as const) {
  test(`${alg} encrypts by a key made of the client's secret (Core 10.2)`, async () => {
    const of = await seed({
      userinfo_signed_response_alg: 'RS256',
      userinfo_encrypted_response_alg: alg,
      userinfo_encrypted_response_enc: 'A256GCM',
    });
    const { accessToken } = await signInForTokens(world, { client: of });
    const sent = await fetch(`${url}/userinfo`, { headers: bearer(accessToken) });
    const key = createHash('sha256').update(of.clientSecret).digest().subarray(0, size);
    const { plaintext } = await compactDecrypt(await sent.text(), key);
    const { payload } = await jwtVerify(new TextDecoder().decode(plaintext), jwks);
    assert.equal(payload.sub, people.user.id);
  });
}

test('discovery names what there are keys for, and no weak one (RFC 8725 3.1, 3.2)', async () => {
  const { body } = await getJson(`${url}/.well-known/openid-configuration`);
  for (const [name, value] of Object.entries(body)) {
    if (!/_(alg|enc)_values_supported$/.test(name)) continue;
    for (const alg of value as string[]) {
      assert.doesNotMatch(alg, /^(none|RSA1_5|RSA-OAEP|A\d+GCMKW|HS384|HS512)$/, name);
    }
  }
  for (const what of ['id_token', 'userinfo', 'introspection', 'authorization']) {
    const algs = body[`${what}_signing_alg_values_supported`] as string[];
    assert.deepEqual([...algs].sort(), ['ES256', 'EdDSA', 'HS256', 'RS256'], what);
  }
});

const REFUSED: [string, Record<string, unknown>][] = [
  ['id_token_signed_response_alg', { id_token_signed_response_alg: 'none' }],
  // There is no key for these: nothing could be signed (Registration 2).
  ['id_token_signed_response_alg', { id_token_signed_response_alg: 'PS256' }],
  ['id_token_signed_response_alg', { id_token_signed_response_alg: 'ES384' }],
  ['userinfo_signed_response_alg', { userinfo_signed_response_alg: 'RS512' }],
  ['introspection_signed_response_alg', { introspection_signed_response_alg: 'PS256' }],
  ['id_token_encrypted_response_alg', { id_token_encrypted_response_alg: 'RSA1_5' }],
  ['id_token_encrypted_response_alg', { id_token_encrypted_response_alg: 'RSA-OAEP' }],
  [
    'id_token_encrypted_response_enc',
    { id_token_encrypted_response_alg: 'ECDH-ES', id_token_encrypted_response_enc: 'A64' },
  ],
];

for (const [member, changes] of REFUSED) {
  test(`a registration that asks for what is not offered is refused: ${JSON.stringify(changes)}`, async () => {
    const { jwks: registered } = await createKeys('ECDH-ES', 'enc');
    await assert.rejects(seed({ jwks: registered, ...changes }), new RegExp(member));
  });
}

test('a public client has no secret that would sign (Core 10.1)', async () => {
  await assert.rejects(
    seed({ token_endpoint_auth_method: 'none', id_token_signed_response_alg: 'HS256' }),
    /client_secret|id_token_signed_response_alg/,
  );
});
