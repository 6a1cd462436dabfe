import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import * as openid from 'openid-client';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { createKeys } from '../helpers/keys.ts';
import { authorizationRequest, discover, signIn } from '../helpers/openid.ts';
import { createUserAgent, findForm } from '../helpers/user-agent.ts';
import { createWorld } from './support.ts';

const world = await createWorld();
const { url, people, deps, client } = world;
const credentials = { identifier: people.user.email, password: people.user.password };

const seed = (metadata: Record<string, unknown>) => seedClient(deps, people.tenantId, { metadata });

/** A sign-in whose answer comes as a JWT, by openid-client. */
async function jarm(of: TestClient, prepare?: (configuration: openid.Configuration) => void) {
  const configuration = await discover(url, of);
  openid.useJwtResponseMode(configuration);
  prepare?.(configuration);
  const request = await authorizationRequest(configuration, of.redirectUri);
  const redirect = await signIn(createUserAgent(url), request, credentials);
  const tokens = await openid.authorizationCodeGrant(configuration, redirect, {
    pkceCodeVerifier: request.verifier,
    expectedState: request.state,
    expectedNonce: request.nonce,
  });
  return { redirect, tokens };
}

const requestOf = (of: TestClient, changes: Record<string, string> = {}) =>
  new URLSearchParams({
    client_id: of.clientId,
    redirect_uri: of.redirectUri,
    response_type: 'code',
    scope: 'openid',
    state: 'the state',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    ...changes,
  });

for (const alg of ['RS256', 'ES256', 'EdDSA']) {
  test(`openid-client takes an answer signed by ${alg}: issuer, audience, expiry checked (JARM 2.1, 2.4)`, async () => {
    const of = await seed({ authorization_signed_response_alg: alg });
    const { redirect, tokens } = await jarm(of);
    assert.deepEqual([...redirect.searchParams.keys()], ['response']);
    const response = redirect.searchParams.get('response') ?? '';
    assert.equal(decodeProtectedHeader(response).alg, alg);
    const claims = decodeJwt(response);
    assert.equal(claims.iss, url);
    assert.equal(claims.aud, of.clientId);
    assert.ok(Number(claims.exp) - Date.now() / 1000 <= 600);
    assert.ok(claims.code && claims.state);
    assert.ok(tokens.access_token);
  });
}

for (const [alg, enc] of [
  ['RSA-OAEP-256', 'A256GCM'],
  ['ECDH-ES', 'A128CBC-HS256'],
] as const) {
  test(`an answer may be encrypted to the client by ${alg} and ${enc} (JARM 2.2)`, async () => {
    const keys = await createKeys(alg, 'enc');
    const of = await seed({
      jwks: keys.jwks,
      authorization_signed_response_alg: 'ES256',
      authorization_encrypted_response_alg: alg,
      authorization_encrypted_response_enc: enc,
    });
    const { redirect, tokens } = await jarm(of, (configuration) =>
      openid.enableDecryptingResponses(configuration, [enc], {
        key: keys.privateKey,
        alg,
        kid: String(keys.publicJwk.kid),
      }),
    );
    assert.equal(redirect.searchParams.get('response')?.split('.').length, 5);
    assert.ok(tokens.access_token);
  });
}

const MODES: [string, (target: { url: URL; html: string }) => string | null][] = [
  ['jwt', ({ url: { searchParams } }) => searchParams.get('response')],
  ['query.jwt', ({ url: { searchParams } }) => searchParams.get('response')],
  ['fragment.jwt', ({ url: { hash } }) => new URLSearchParams(hash.slice(1)).get('response')],
  ['form_post.jwt', (page) => findForm(page, '/callback').fields.response ?? null],
];

for (const [mode, read] of MODES) {
  test(`response_mode ${mode} delivers one parameter, an error as well as a code (JARM 2.3)`, async () => {
    const agent = createUserAgent(url);
    const asked = `${url}/authorize?${requestOf(client, { response_mode: mode })}`;
    const page = await agent.follow(asked);
    const claims = decodeJwt(read(await agent.submit(page, '/sign-in', credentials)) ?? '');
    assert.equal(claims.state, 'the state');
    assert.ok(claims.code);
    const silent = requestOf(client, { response_mode: mode, prompt: 'none' });
    const refused = await createUserAgent(url).follow(`${url}/authorize?${silent}`);
    const error = decodeJwt(read(refused) ?? '');
    assert.equal(error.error, 'login_required');
    assert.equal(error.iss, url);
    assert.equal(error.aud, client.clientId);
    assert.equal(error.state, 'the state');
    assert.equal(refused.url.searchParams.get('error'), null);
  });
}

test('an answer that openid-client was not sent, or that was changed, does not pass (JARM 4)', async () => {
  const configuration = await discover(url, client);
  openid.useJwtResponseMode(configuration);
  const request = await authorizationRequest(configuration, client.redirectUri);
  const redirect = await signIn(createUserAgent(url), request, credentials);
  const [header, payload, signature] = (redirect.searchParams.get('response') ?? '').split('.');
  const claims = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString());
  const changed = Buffer.from(JSON.stringify({ ...claims, code: 'other' })).toString('base64url');
  redirect.searchParams.set('response', `${header}.${changed}.${signature}`);
  await assert.rejects(
    openid.authorizationCodeGrant(configuration, redirect, {
      pkceCodeVerifier: request.verifier,
      expectedState: request.state,
      expectedNonce: request.nonce,
    }),
  );
});

test('no answer is signed by none or encrypted by RSA 1.5 (RFC 8725 3.1, 3.2)', async () => {
  for (const [name, value] of [
    ['authorization_signed_response_alg', 'none'],
    ['authorization_encrypted_response_alg', 'RSA1_5'],
  ] as const) {
    await assert.rejects(
      seed({ [name]: value, jwks: (await createKeys('RS256')).jwks }),
      new RegExp(name),
    );
  }
});
