import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { UnsecuredJWT } from 'jose';
import { seedClient } from '../helpers/gatehouse.ts';
import { assertionOf, createKeys, epoch, signJwt } from '../helpers/keys.ts';
import { createWorld, postForm } from './support.ts';

/** Modules of the FAPI-CIBA plan that spoil a signed request; docs/conformance.md lists them. */
const world = await createWorld({ settings: { SMTP_URL: 'smtp://127.0.0.1:1' } });
const { url, people, deps } = world;
const CIBA = 'urn:openid:params:grant-type:ciba';
const [keys, otherKeys, rsa] = await Promise.all(
  ['ES256', 'ES256', 'RS256'].map((alg) => createKeys(alg)),
);
assert.ok(keys && otherKeys && rsa);

const client = await seedClient(deps, people.tenantId, {
  metadata: {
    grant_types: [CIBA],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: 'private_key_jwt',
    backchannel_token_delivery_mode: 'poll',
    backchannel_authentication_request_signing_alg: 'ES256',
    jwks: { keys: [...keys.jwks.keys, ...rsa.jwks.keys] },
  },
});

const claimsOf = (changes: Record<string, unknown> = {}) => ({
  iss: client.clientId,
  aud: url,
  jti: randomUUID(),
  iat: epoch(),
  nbf: epoch(),
  exp: epoch() + 300,
  scope: 'openid',
  login_hint: 'nobody@lotus.example',
  ...changes,
});

const ask = async (form: Record<string, string>) =>
  postForm(`${url}/ciba`, { ...form, ...(await assertionOf(keys, client.clientId, url)) });

test('a signed request is taken, its scopes in any order and its expiry as text or number (CIBA Core 7.1.1)', async () => {
  for (const changes of [
    {},
    { scope: 'profile openid' },
    { requested_expiry: '120' },
    { requested_expiry: 120 },
  ]) {
    const { status, body } = await ask({ request: await signJwt(keys, claimsOf(changes)) });
    assert.equal(status, 200, JSON.stringify([changes, body]));
  }
});

const WRONG: [string, Record<string, unknown>][] = [
  ['without aud', { aud: undefined }],
  ['for another server', { aud: 'https://other.example' }],
  ['without iss', { iss: undefined }],
  ['of another client', { iss: world.client.clientId }],
  ['without exp', { exp: undefined }],
  ['that is over', { exp: epoch() - 300 }],
  ['that lives for 70 minutes', { exp: epoch() + 4_200 }],
  ['without iat', { iat: undefined }],
  ['without nbf', { nbf: undefined }],
  ['of ten minutes ahead', { nbf: epoch() + 600, exp: epoch() + 900 }],
  ['of 70 minutes ago', { nbf: epoch() - 4_200 }],
  ['without jti', { jti: undefined }],
  ['with two hints', { id_token_hint: 'x.y.z' }],
];

for (const [what, changes] of WRONG) {
  test(`a signed request ${what} is refused (CIBA Core 7.1.1, FAPI-CIBA 5.2.2)`, async () => {
    const { status, body } = await ask({ request: await signJwt(keys, claimsOf(changes)) });
    assert.equal(status, 400, JSON.stringify(body));
    assert.match(String(body.error), /^invalid_request(_object)?$/);
  });
}

test('a request that is unsigned, signed by RS256 or by somebody else, or not signed as registered, is refused (CIBA Core 7.1.1)', async () => {
  const requests = [
    new UnsecuredJWT(claimsOf()).encode(),
    await signJwt(rsa, claimsOf()),
    await signJwt(otherKeys, claimsOf()),
  ];
  for (const request of requests) {
    const { status, body } = await ask({ request });
    assert.equal(status, 400);
    assert.match(String(body.error), /^invalid_request(_object)?$/);
  }
  const plain = await ask({ scope: 'openid', login_hint: 'nobody@lotus.example' });
  assert.deepEqual([plain.status, plain.body.error], [400, 'invalid_request']);
});

test('without an assertion, or by one of another key, nothing is asked or given (CIBA Core 7.1)', async () => {
  const request = await signJwt(keys, claimsOf());
  const none = { client_id: client.clientId };
  const forged = await assertionOf(otherKeys, client.clientId, url);
  for (const credentials of [none, forged]) {
    for (const [path, form] of [
      ['/ciba', { request }],
      ['/token', { grant_type: CIBA, auth_req_id: 'x'.repeat(43) }],
    ] as [string, Record<string, string>][]) {
      const { status, body } = await postForm(url + path, { ...form, ...credentials });
      assert.ok(status === 400 || status === 401, path);
      assert.match(String(body.error), /^invalid_(client|request)$/);
    }
  }
});
