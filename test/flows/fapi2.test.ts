import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeProtectedHeader } from 'jose';
import * as openid from 'openid-client';
import { AppError } from '../../src/kernel/errors.ts';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import {
  assertionOf,
  type ClientKeys,
  createKeys,
  dpopProof,
  epoch,
  signJwt,
} from '../helpers/keys.ts';
import { authorizationRequest, signIn } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { createWorld, postForm } from './support.ts';

const world = await createWorld();
const { url, people, deps } = world;
const [par, token] = [`${url}/par`, `${url}/token`];
const keys = await createKeys('ES256');
const credentials = { identifier: people.user.email, password: people.user.password };

/** Registration metadata that the profile takes. */
const PROFILE = {
  profile: 'fapi2',
  token_endpoint_auth_method: 'private_key_jwt',
  dpop_bound_access_tokens: true,
  id_token_signed_response_alg: 'ES256',
};

const seed = (changes: Record<string, unknown> = {}, by: ClientKeys = keys) =>
  seedClient(deps, people.tenantId, { metadata: { ...PROFILE, jwks: by.jwks, ...changes } });

const client = await seed();

/** openid-client as a FAPI 2.0 client: key, DPoP, pushed request. */
async function discoverFapi(of: TestClient, by: ClientKeys = keys) {
  const key = { key: by.privateKey, kid: String(by.publicJwk.kid) };
  const configuration = await openid.discovery(
    new URL(url),
    of.clientId,
    undefined,
    openid.PrivateKeyJwt(key),
    { execute: [openid.allowInsecureRequests] },
  );
  const dpop = openid.getDPoPHandle(configuration, await openid.randomDPoPKeyPair());
  return { configuration, dpop };
}

async function runFlow(of: TestClient, by: ClientKeys = keys) {
  const { configuration, dpop } = await discoverFapi(of, by);
  const plain = await authorizationRequest(configuration, of.redirectUri);
  const pushed = await openid.buildAuthorizationUrlWithPAR(configuration, plain.url.searchParams, {
    DPoP: dpop,
  });
  const redirect = await signIn(createUserAgent(url), { ...plain, url: pushed }, credentials);
  const tokens = await openid.authorizationCodeGrant(
    configuration,
    redirect,
    { pkceCodeVerifier: plain.verifier, expectedState: plain.state, expectedNonce: plain.nonce },
    undefined,
    { DPoP: dpop },
  );
  return { configuration, dpop, redirect, tokens };
}

const requestOf = (of: TestClient, changes: Record<string, string> = {}) => ({
  client_id: of.clientId,
  redirect_uri: of.redirectUri,
  response_type: 'code',
  scope: 'openid',
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  code_challenge_method: 'S256',
  ...changes,
});

const push = async (
  changes: Record<string, string> = {},
  assertion: Record<string, unknown> = {},
  by: ClientKeys = keys,
  of = client,
) =>
  postForm(par, {
    ...requestOf(of, changes),
    ...(await assertionOf(by, of.clientId, url, assertion)),
  });

test('a whole flow by openid-client: pushed, proven by key, bound, with iss (FAPI 2.0 5.3)', async () => {
  const { configuration, dpop, redirect, tokens } = await runFlow(client);
  assert.equal(redirect.searchParams.get('iss'), url);
  assert.equal(tokens.token_type, 'dpop');
  for (const jwt of [tokens.access_token, tokens.id_token ?? '']) {
    assert.equal(decodeProtectedHeader(jwt).alg, 'ES256');
  }
  const sub = tokens.claims()?.sub ?? '';
  const info = await openid.fetchUserInfo(configuration, tokens.access_token, sub, { DPoP: dpop });
  assert.equal(info.sub, sub);
});

for (const alg of ['PS256', 'EdDSA']) {
  test(`a client that signs by ${alg} gets through as well (FAPI 2.0 5.4.1)`, async () => {
    const by = await createKeys(alg);
    const { tokens } = await runFlow(await seed({}, by), by);
    assert.equal(tokens.token_type, 'dpop');
  });
}

test('refresh tokens are bound, not rotated: an answer that is lost costs nothing (FAPI 2.0 5.3.2.1)', async () => {
  const { configuration, dpop, tokens } = await runFlow(client);
  const first = tokens.refresh_token ?? '';
  assert.notEqual(first, '');
  for (let use = 0; use < 2; use += 1) {
    const again = await openid.refreshTokenGrant(configuration, first, undefined, { DPoP: dpop });
    assert.equal(again.token_type, 'dpop');
    assert.equal(again.refresh_token ?? first, first);
  }
});

test('a request in the front channel is refused: it must be pushed (FAPI 2.0 5.3.2.2, ASVS 10.4.13)', async () => {
  const query = new URLSearchParams(requestOf(client));
  const end = await createUserAgent(url).follow(`${url}/authorize?${query}`);
  assert.equal(end.url.searchParams.get('error'), 'invalid_request');
  assert.equal(end.url.searchParams.get('iss'), url);
});

const WRONG_REQUESTS: [string, Record<string, string>, string][] = [
  ['without redirect_uri', { redirect_uri: '' }, 'invalid_request'],
  ['without PKCE', { code_challenge: '', code_challenge_method: '' }, 'invalid_request'],
  ['with PKCE plain', { code_challenge_method: 'plain' }, 'invalid_request'],
  ['for another response type', { response_type: 'code id_token' }, 'unsupported_response_type'],
];

for (const [what, changes, error] of WRONG_REQUESTS) {
  test(`a pushed request ${what} is refused (FAPI 2.0 5.3.2.2)`, async () => {
    const { status, body } = await push(changes);
    assert.equal(status, 400, JSON.stringify(body));
    assert.equal(body.error, error);
  });
}

const ahead = (seconds: number) => ({ iat: epoch() + seconds, nbf: epoch() + seconds });

test('an assertion is for the issuer, as one text (FAPI 2.0 5.3.2.1)', async () => {
  assert.equal((await push({}, { aud: url })).status, 201);
  for (const aud of [token, par, [url], [url, token], 'https://elsewhere.example']) {
    const { status, body } = await push({}, { aud });
    assert.equal(status, 401, String(aud));
    assert.equal(body.error, 'invalid_client');
  }
});

test('a clock 10 seconds ahead is forgiven, one more than a minute ahead is not (FAPI 2.0 5.3.2.1)', async () => {
  assert.equal((await push({}, ahead(10))).status, 201);
  for (const claims of [ahead(70), { iat: epoch() + 70 }, { nbf: epoch() + 70 }]) {
    const { status, body } = await push({}, claims);
    assert.equal(status, 401);
    assert.equal(body.error, 'invalid_client');
  }
});

test('a signature by RS256 is refused, though other clients may use it (FAPI 2.0 5.4.1)', async () => {
  const rsa = await createKeys('RS256');
  const { status, body } = await push({}, {}, rsa, await seed({}, rsa));
  assert.equal(status, 401);
  assert.equal(body.error, 'invalid_client');
});

test('a signed request lives for an hour at most, and names when (FAPI 2.0 Message Signing 5.3.1)', async () => {
  const pushSigned = async (changes: Record<string, unknown>, by = keys) => {
    const times = { iat: epoch(), nbf: epoch(), exp: epoch() + 60 };
    const claims = { ...requestOf(client), iss: client.clientId, aud: url, ...times, ...changes };
    return postForm(par, {
      client_id: client.clientId,
      request: await signJwt(by, claims),
      ...(await assertionOf(keys, client.clientId, url)),
    });
  };
  const good = await pushSigned({});
  assert.equal(good.status, 201, JSON.stringify(good.body));
  for (const changes of [
    { exp: undefined },
    { nbf: undefined },
    { exp: epoch() + 3_700 },
    { nbf: epoch() - 3_700, exp: epoch() - 200 },
    ahead(70),
  ]) {
    const { status, body } = await pushSigned(changes);
    assert.equal(status, 400, JSON.stringify(changes));
    assert.equal(body.error, 'invalid_request_object');
  }
  const rsa = await createKeys('RS256');
  assert.equal((await pushSigned({}, rsa)).body.error, 'invalid_request_object');
});

test('no token without a proof, and no proof without a nonce (FAPI 2.0 5.3.2.1, ASVS 10.4.14)', async () => {
  const form = async () => ({
    grant_type: 'client_credentials',
    ...(await assertionOf(keys, client.clientId, url)),
  });
  const bearer = await postForm(token, await form());
  assert.equal(bearer.status, 400);
  assert.equal(bearer.body.error, 'invalid_grant');
  const dpop = await dpopProof(keys, { method: 'POST', url: token });
  const first = await postForm(token, await form(), { dpop });
  assert.equal(first.status, 400);
  assert.equal(first.body.error, 'use_dpop_nonce');
  const nonce = first.headers.get('dpop-nonce') ?? '';
  const second = await postForm(token, await form(), {
    dpop: await dpopProof(keys, { method: 'POST', url: token, nonce }),
  });
  assert.equal(second.status, 200, JSON.stringify(second.body));
  assert.equal(second.body.token_type, 'DPoP');
});

test('a code is of no use after a minute (FAPI 2.0 5.3.2.1, ASVS 10.4.3)', async (t) => {
  const { configuration, dpop } = await discoverFapi(client);
  const plain = await authorizationRequest(configuration, client.redirectUri);
  const pushed = await openid.buildAuthorizationUrlWithPAR(configuration, plain.url.searchParams);
  const redirect = await signIn(createUserAgent(url), { ...plain, url: pushed }, credentials);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 });
  await assert.rejects(
    openid.authorizationCodeGrant(
      configuration,
      redirect,
      { pkceCodeVerifier: plain.verifier, expectedState: plain.state, expectedNonce: plain.nonce },
      undefined,
      { DPoP: dpop },
    ),
    (error: openid.ResponseBodyError) => error.error === 'invalid_grant',
  );
});

const CONTRADICTIONS: [string, Record<string, unknown>][] = [
  ['token_endpoint_auth_method', { token_endpoint_auth_method: 'client_secret_basic' }],
  ['token_endpoint_auth_method', { token_endpoint_auth_method: 'client_secret_jwt' }],
  ['token_endpoint_auth_method', { token_endpoint_auth_method: 'none' }],
  ['dpop_bound_access_tokens', { dpop_bound_access_tokens: false }],
  ['id_token_signed_response_alg', { id_token_signed_response_alg: 'RS256' }],
  ['id_token_signed_response_alg', { id_token_signed_response_alg: undefined }],
  ['userinfo_signed_response_alg', { userinfo_signed_response_alg: 'RS256' }],
  ['request_object_signing_alg', { request_object_signing_alg: 'RS256' }],
  ['token_endpoint_auth_signing_alg', { token_endpoint_auth_signing_alg: 'RS256' }],
  ['access_token_signed_response_alg', { access_token_signed_response_alg: 'RS256' }],
  ['response_types', { response_types: ['code id_token'] }],
  ['grant_types', { grant_types: ['authorization_code', 'implicit'] }],
  ['redirect_uris', { redirect_uris: ['http://app.example/callback'] }],
  ['require_pkce', { require_pkce: false }],
];

for (const [member, changes] of CONTRADICTIONS) {
  test(`a registration that contradicts the profile is refused: ${JSON.stringify(changes)}`, async () => {
    await assert.rejects(seed(changes), (error) => {
      assert.ok(error instanceof AppError, String(error));
      assert.equal(error.code, 'IDENT_VALIDATION');
      assert.match(error.message, new RegExp(`^${member} `));
      return true;
    });
  });
}

test('a client without the profile is not held to it', async () => {
  const rsa = await createKeys('RS256');
  const plain = await seedClient(deps, people.tenantId, {
    metadata: { token_endpoint_auth_method: 'private_key_jwt', jwks: rsa.jwks },
  });
  const form = {
    grant_type: 'client_credentials',
    ...(await assertionOf(rsa, plain.clientId, token)),
  };
  const { status, body } = await postForm(token, form);
  assert.equal(status, 200, JSON.stringify(body));
});
