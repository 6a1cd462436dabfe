import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calculateJwkThumbprint, decodeJwt } from 'jose';
import * as openid from 'openid-client';
import { seedClient } from '../helpers/gatehouse.ts';
import { type ClientKeys, createKeys, dpopProof, epoch, type Proof } from '../helpers/keys.ts';
import { authorizationRequest, discover, signIn } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import {
  basic,
  createWorld,
  getJson,
  introspect,
  obtainCode,
  postForm,
  signInForTokens,
  startTwin,
} from './support.ts';

const world = await createWorld();
const { url, client, people, deps } = world;
const token = `${url}/token`;
const userinfo = `${url}/userinfo`;
const keys = await createKeys('ES256');
const otherKeys = await createKeys('ES256');
const thumbprint = await calculateJwkThumbprint(keys.publicJwk);

const credentials = { identifier: people.user.email, password: people.user.password };
const GRANT = { grant_type: 'client_credentials' };

const bound = await seedClient(deps, people.tenantId, {
  metadata: { dpop_bound_access_tokens: true },
});
const publicClient = await seedClient(deps, people.tenantId, {
  metadata: {
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
  },
});

/** A proof for the token endpoint, with something else about it. */
const tokenProof = (changes: Partial<Proof> = {}, by: ClientKeys = keys) =>
  dpopProof(by, { method: 'POST', url: token, ...changes });

const askToken = async (proof: string, form: Record<string, string> = GRANT) =>
  postForm(token, form, { ...basic(client), dpop: proof });

const askUserinfo = async (accessToken: string, changes: Partial<Proof> = {}, by = keys) =>
  getJson(userinfo, {
    authorization: `DPoP ${accessToken}`,
    dpop: await dpopProof(by, { method: 'GET', url: userinfo, accessToken, ...changes }),
  });

/** The tokens of a sign-in whose code was exchanged with a proof. */
async function boundTokens(of = client) {
  const { form } = await obtainCode(world, { client: of });
  const isPublic = of.clientSecret === '';
  const { status, body } = await postForm(
    token,
    isPublic ? { ...form, client_id: of.clientId } : form,
    { ...(isPublic ? {} : basic(of)), dpop: await tokenProof() },
  );
  assert.equal(status, 200, JSON.stringify(body));
  return { accessToken: String(body.access_token), refreshToken: String(body.refresh_token), body };
}

test('openid-client binds tokens to its key by nothing but discovery (RFC 9449 5)', async () => {
  const configuration = await discover(url, bound);
  const handle = openid.getDPoPHandle(configuration, await openid.randomDPoPKeyPair());
  const request = await authorizationRequest(configuration, bound.redirectUri);
  const redirect = await signIn(createUserAgent(url), request, credentials);
  const tokens = await openid.authorizationCodeGrant(
    configuration,
    redirect,
    {
      pkceCodeVerifier: request.verifier,
      expectedState: request.state,
      expectedNonce: request.nonce,
    },
    undefined,
    { DPoP: handle },
  );
  assert.equal(tokens.token_type, 'dpop');
  const sub = tokens.claims()?.sub ?? '';
  const info = await openid.fetchUserInfo(configuration, tokens.access_token, sub, {
    DPoP: handle,
  });
  assert.equal(info.email, people.user.email);
  const again = await openid.refreshTokenGrant(
    configuration,
    tokens.refresh_token ?? '',
    undefined,
    { DPoP: handle },
  );
  assert.equal(again.token_type, 'dpop');
});

test('a bound token names its key, to resource servers and to introspection (RFC 9449 6)', async () => {
  const { accessToken, body } = await boundTokens();
  assert.equal(body.token_type, 'DPoP');
  assert.deepEqual(decodeJwt(accessToken).cnf, { jkt: thumbprint });
  const introspection = await introspect(url, client, accessToken);
  assert.deepEqual(introspection.body.cnf, { jkt: thumbprint });
  assert.equal(introspection.body.token_type, 'DPoP');
});

test('a bound token opens userinfo with its proof only (RFC 9449 7, RFC 9700 2.2.1)', async () => {
  const { accessToken } = await boundTokens();
  assert.equal((await askUserinfo(accessToken)).body.email, people.user.email);
  const asBearer = await getJson(userinfo, { authorization: `Bearer ${accessToken}` });
  assert.equal(asBearer.status, 401);
  assert.equal(asBearer.body.error, 'invalid_token');
  assert.match(asBearer.headers.get('www-authenticate') ?? '', /DPoP/);
  const byOther = await askUserinfo(accessToken, {}, otherKeys);
  assert.equal(byOther.status, 401);
  assert.equal(byOther.body.error, 'invalid_token');
  const noProof = await getJson(userinfo, { authorization: `DPoP ${accessToken}` });
  assert.equal(noProof.status, 400);
  assert.equal(noProof.body.error, 'invalid_request');
});

test('a bound token is no bearer token at the API either (RFC 9700 2.2.1)', async () => {
  const { accessToken } = await boundTokens();
  const me = await getJson(`${url}/api/v1/me`, { authorization: `Bearer ${accessToken}` });
  assert.equal(me.status, 401);
});

test('a token that is bound to no key does not pass with a proof', async () => {
  const { accessToken } = await signInForTokens(world);
  const answer = await askUserinfo(accessToken);
  assert.equal(answer.status, 401);
  assert.equal(answer.body.error, 'invalid_token');
});

const WRONG: [string, Partial<Proof>][] = [
  ['htu: another endpoint', { url: userinfo }],
  ['htu: another host', { url: 'https://evil.example/token' }],
  ['htu: not a URL', { claims: { htu: 'token' } }],
  ['htm', { method: 'GET' }],
  ['iat: too old', { claims: { iat: 1_600_000_000 } }],
  ['iat: no number', { claims: { iat: 'now' } }],
  ['jti: none', { claims: { jti: undefined } }],
  ['typ', { header: { typ: 'jwt' } }],
  ['jwk: none', { header: { jwk: undefined } }],
  ['jwk: another key', { header: { jwk: otherKeys.publicJwk } }],
  ['nonce: no text', { claims: { nonce: 7 } }],
];

for (const [what, changes] of WRONG) {
  test(`a proof is refused for its ${what} (RFC 9449 4.3)`, async () => {
    const { status, body } = await askToken(await tokenProof(changes));
    assert.equal(status, 400);
    // A clock that is wrong is told to use a nonce instead, which needs none.
    const expected = what === 'iat: too old' ? 'use_dpop_nonce' : 'invalid_dpop_proof';
    assert.equal(body.error, expected);
    assert.equal(body.access_token, undefined);
  });
}

test('a proof with a private key in it, or by RS256 or a secret, is refused (RFC 9449 4.3)', async () => {
  const rsa = await createKeys('RS256');
  const hmac = `${Buffer.from('{"typ":"dpop+jwt","alg":"HS256"}').toString('base64url')}.e30.AAAA`;
  const none = `${Buffer.from('{"typ":"dpop+jwt","alg":"none"}').toString('base64url')}.e30.`;
  const { d } = (await crypto.subtle.exportKey('jwk', keys.privateKey)) as { d: string };
  const leaking = await tokenProof({ header: { jwk: { ...keys.publicJwk, d } } });
  for (const proof of [await tokenProof({}, rsa), hmac, none, leaking, 'x', 'a.b.c']) {
    const { status, body } = await askToken(proof);
    assert.equal(status, 400, proof);
    assert.equal(body.error, 'invalid_dpop_proof');
  }
});

for (const alg of ['PS256', 'ES384', 'EdDSA']) {
  test(`a proof may be signed by ${alg}`, async () => {
    const { status, body } = await askToken(await tokenProof({}, await createKeys(alg)));
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.token_type, 'DPoP');
  });
}

test('a proof at userinfo names the token that it is for (RFC 9449 4.3)', async () => {
  const { accessToken } = await boundTokens();
  for (const claims of [{ ath: undefined }, { ath: 'x' }]) {
    const { status, body } = await askUserinfo(accessToken, { claims });
    assert.equal(status, 401);
    assert.equal(body.error, 'invalid_dpop_proof');
  }
});

test('a proof is good for one request: of 10 in parallel one passes (RFC 9449 11.1)', async () => {
  const proof = await tokenProof();
  const answers = await Promise.all(Array.from({ length: 10 }, () => askToken(proof)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  for (const { status, body } of answers.filter((answer) => answer.status !== 200)) {
    assert.equal(status, 400);
    assert.equal(body.error, 'invalid_dpop_proof');
  }
  const { accessToken } = await boundTokens();
  const fixed = { claims: { jti: 'once' } };
  assert.equal((await askUserinfo(accessToken, fixed)).status, 200);
  const replayed = await askUserinfo(accessToken, fixed);
  assert.equal(replayed.status, 401);
  assert.equal(replayed.body.error, 'invalid_dpop_proof');
});

test('a client with dpop_bound_access_tokens gets no token without a proof (RFC 9449 5.2)', async () => {
  const { status, body } = await postForm(token, GRANT, basic(bound));
  assert.equal(status, 400);
  assert.equal(body.error, 'invalid_grant');
});

test('a code that was asked for with dpop_jkt opens for that key only (RFC 9449 10)', async () => {
  for (const [by, status] of [
    [otherKeys, 400],
    [keys, 200],
  ] as const) {
    const { form } = await obtainCode(world, { parameters: { dpop_jkt: thumbprint } });
    const answer = await askToken(await tokenProof({}, by), form);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    if (status === 400) assert.equal(answer.body.error, 'invalid_grant');
  }
  const { form } = await obtainCode(world, { parameters: { dpop_jkt: thumbprint } });
  assert.equal((await postForm(token, form, basic(client))).body.error, 'invalid_grant');
});

test('a pushed request binds its code to the key that proved it (RFC 9449 10.1)', async () => {
  const pushed = (dpop: string, more: Record<string, string> = {}) =>
    postForm(
      `${url}/par`,
      {
        client_id: client.clientId,
        response_type: 'code',
        redirect_uri: client.redirectUri,
        scope: 'openid',
        code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
        code_challenge_method: 'S256',
        ...more,
      },
      { ...basic(client), dpop },
    );
  const proof = () => dpopProof(keys, { method: 'POST', url: `${url}/par` });
  const { status, body } = await pushed(await proof());
  assert.equal(status, 201, JSON.stringify(body));
  const agent = createUserAgent(url);
  const query = new URLSearchParams({
    client_id: client.clientId,
    request_uri: String(body.request_uri),
  });
  const page = await agent.follow(`${url}/authorize?${query}`);
  const end = await agent.submit(page, '/sign-in', credentials);
  const form = {
    grant_type: 'authorization_code',
    code: end.url.searchParams.get('code') ?? '',
    redirect_uri: client.redirectUri,
    code_verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
  };
  assert.equal((await askToken(await tokenProof({}, otherKeys), form)).body.error, 'invalid_grant');
  const mismatch = await pushed(await proof(), { dpop_jkt: 'x'.repeat(43) });
  assert.equal(mismatch.status, 400);
  assert.equal(mismatch.body.error, 'invalid_request');
});

test("a public client's refresh token is of use to the holder of its key only (RFC 9449 5)", async () => {
  const { refreshToken } = await boundTokens(publicClient);
  const form = {
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
    client_id: publicClient.clientId,
  };
  for (const headers of [{}, { dpop: await tokenProof({}, otherKeys) }] as Record<
    string,
    string
  >[]) {
    const stolen = await postForm(token, form, headers);
    assert.equal(stolen.status, 400);
    assert.equal(stolen.body.error, 'invalid_grant');
  }
  const own = await postForm(token, form, { dpop: await tokenProof() });
  assert.equal(own.status, 200, JSON.stringify(own.body));
  assert.equal(own.body.token_type, 'DPoP');
});

test('a nonce is offered with every answer, and taken by every replica (RFC 9449 8)', async () => {
  const offered = (await askToken(await tokenProof())).headers.get('dpop-nonce') ?? '';
  assert.notEqual(offered, '');
  const twin = await startTwin(world);
  // An hour late by its own clock, which does not count with a nonce.
  const claims = { iat: epoch() - 3_600 };
  const proof = await tokenProof({ nonce: offered, url: `${twin.url}/token`, claims });
  const answer = await postForm(`${twin.url}/token`, GRANT, { ...basic(client), dpop: proof });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
});

test('a nonce that is not ours, or of yesterday, is refused with a new one (RFC 9449 8)', async (t) => {
  const old = (await askToken(await tokenProof())).headers.get('dpop-nonce') ?? '';
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 24 * 3_600_000 });
  for (const nonce of [old, 'x', `${old}x`]) {
    const { status, body, headers } = await askToken(await tokenProof({ nonce }));
    assert.equal(status, 400);
    assert.equal(body.error, 'use_dpop_nonce');
    assert.match(headers.get('dpop-nonce') ?? '', /^[\w-]{43}$/);
  }
});

test('DPOP_NONCE_REQUIRED asks everybody for a nonce, and openid-client follows (RFC 9449 8)', async () => {
  const strict = await createWorld({ settings: { DPOP_NONCE_REQUIRED: 'true' } });
  const proof = await dpopProof(keys, { method: 'POST', url: `${strict.url}/token` });
  const answer = await postForm(`${strict.url}/token`, GRANT, {
    ...basic(strict.client),
    dpop: proof,
  });
  assert.equal(answer.status, 400);
  assert.equal(answer.body.error, 'use_dpop_nonce');
  const configuration = await discover(strict.url, strict.client);
  const tokens = await openid.clientCredentialsGrant(configuration, undefined, {
    DPoP: openid.getDPoPHandle(configuration, await openid.randomDPoPKeyPair()),
  });
  assert.equal(tokens.token_type, 'dpop');
});
