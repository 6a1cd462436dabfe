import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import * as openid from 'openid-client';
import { parseConfig } from '../../src/config.ts';
import { seedClient, type TestClient, testEnvironment } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover, signIn } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { createWorld, getJson } from './support.ts';

const ALLOWED = 'id_token,code id_token,code token,id_token token,none';
const world = await createWorld({ settings: { ALLOWED_RESPONSE_TYPES: ALLOWED } });
const { url, people, deps } = world;
const credentials = { identifier: people.user.email, password: people.user.password };

const seed = (...types: string[]) =>
  seedClient(deps, people.tenantId, {
    metadata: {
      redirect_uris: ['https://app.lotus.example/callback'],
      post_logout_redirect_uris: ['https://app.lotus.example/'],
      response_types: types,
      grant_types: ['authorization_code', 'implicit', 'refresh_token'],
    },
  }).then((client) => ({ ...client, redirectUri: 'https://app.lotus.example/callback' }));

const hybrid = await seed('code id_token');
const implicit = await seed('id_token');

const requestOf = (of: TestClient, changes: Record<string, string> = {}) => ({
  client_id: of.clientId,
  redirect_uri: of.redirectUri,
  response_type: 'code',
  scope: 'openid email',
  state: 'the state',
  nonce: 'n-1',
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  code_challenge_method: 'S256',
  ...changes,
});

const ask = (of: TestClient, changes: Record<string, string> = {}, at = url) =>
  createUserAgent(at).follow(`${at}/authorize?${new URLSearchParams(requestOf(of, changes))}`);

const fragmentOf = (target: URL) => new URLSearchParams(target.hash.slice(1));

/** Asks, signs in, and gives what the client is sent. */
async function answerTo(of: TestClient, changes: Record<string, string>) {
  const agent = createUserAgent(url);
  const page = await agent.follow(
    `${url}/authorize?${new URLSearchParams(requestOf(of, changes))}`,
  );
  return (await agent.submit(page, '/sign-in', credentials)).url;
}

test('out of the box there is `code` alone, whatever a client asks for (RFC 9700 2.1.2, ASVS 10.4.4)', async () => {
  const plain = await createWorld();
  const { body } = await getJson(`${plain.url}/.well-known/openid-configuration`);
  assert.deepEqual(body.response_types_supported, ['code']);
  for (const response_type of ALLOWED.split(',')) {
    await assert.rejects(
      seedClient(plain.deps, plain.people.tenantId, {
        metadata: { response_types: [response_type], grant_types: ['implicit'] },
      }),
      /response_types|grant_types/,
    );
    const { url: end } = await ask(plain.client, { response_type }, plain.url);
    const answer = new URLSearchParams(end.search || end.hash.slice(1));
    assert.equal(answer.get('error'), 'unsupported_response_type', response_type);
  }
});

test('a response type that no standard knows stops the start', async () => {
  for (const wrong of ['token', 'code foo']) {
    const environment = await testEnvironment({
      DATABASE_URL: world.config.DATABASE_URL.reveal(),
      ALLOWED_RESPONSE_TYPES: wrong,
    });
    assert.throws(() => parseConfig(environment), /ALLOWED_RESPONSE_TYPES/);
  }
});

test('what the deployment allows, a client has only if it was registered with it (ASVS 10.6.1)', async () => {
  for (const response_type of ['code id_token', 'id_token', 'code token', 'none']) {
    const { url: end } = await ask(world.client, { response_type });
    const answer = new URLSearchParams(end.search || end.hash.slice(1));
    assert.equal(answer.get('error'), 'invalid_request', response_type);
    assert.equal(answer.get('iss'), url);
  }
});

test('hybrid: openid-client checks the c_hash of the front-channel ID token (Core 3.3.2)', async () => {
  const configuration = await discover(url, hybrid);
  openid.useCodeIdTokenResponseType(configuration);
  const request = await authorizationRequest(configuration, hybrid.redirectUri);
  const redirect = await signIn(createUserAgent(url), request, credentials);
  assert.equal(redirect.search, '');
  const claims = decodeJwt(fragmentOf(redirect).get('id_token') ?? '');
  assert.ok(claims.c_hash);
  assert.equal(claims.email, undefined);
  const tokens = await openid.authorizationCodeGrant(configuration, redirect, {
    pkceCodeVerifier: request.verifier,
    expectedState: request.state,
    expectedNonce: request.nonce,
  });
  assert.equal(tokens.claims()?.sub, claims.sub);
});

test('implicit: openid-client takes the ID token of the fragment (Core 3.2.2)', async () => {
  const configuration = await discover(url, implicit);
  openid.useIdTokenResponseType(configuration);
  const target = openid.buildAuthorizationUrl(configuration, {
    redirect_uri: implicit.redirectUri,
    scope: 'openid email',
    nonce: 'n-2',
    state: 's-2',
  });
  const request = { url: target, verifier: '', state: 's-2', nonce: 'n-2' };
  const redirect = await signIn(createUserAgent(url), request, credentials);
  const claims = await openid.implicitAuthentication(configuration, redirect, 'n-2', {
    expectedState: 's-2',
  });
  assert.equal(claims.sub, people.user.id);
  // Without an access token there is no userinfo to ask, so its claims are here (Core 5.4).
  assert.equal(claims.email, people.user.email);
});

test('an ID token in the front channel needs a nonce (Core 3.2.2.1, 3.3.2.11)', async () => {
  for (const [of, response_type] of [
    [implicit, 'id_token'],
    [hybrid, 'code id_token'],
  ] as const) {
    const { url: end } = await ask(of, { response_type, nonce: '' });
    assert.equal(fragmentOf(end).get('error'), 'invalid_request');
    assert.match(fragmentOf(end).get('error_description') ?? '', /nonce/);
  }
});

test('tokens never go into the query (Multiple Response Types 5, RFC 9700 4.3)', async () => {
  for (const [of, response_type] of [
    [implicit, 'id_token'],
    [hybrid, 'code id_token'],
  ] as const) {
    const { url: end } = await ask(of, { response_type, response_mode: 'query' });
    const answer = new URLSearchParams(end.search || end.hash.slice(1));
    assert.equal(answer.get('error'), 'invalid_request', response_type);
  }
});

test('the type `none` signs in and gives nothing away (Multiple Response Types 4)', async () => {
  const target = await answerTo(await seed('none'), { response_type: 'none' });
  assert.deepEqual([...target.searchParams.keys()].sort(), ['iss', 'state']);
});

test('an access token of the front channel carries at_hash beside it (Core 3.2.2.10)', async () => {
  const of = await seed('id_token token');
  const target = await answerTo(of, { response_type: 'id_token token' });
  const answer = fragmentOf(target);
  const claims = decodeJwt(answer.get('access_token') ?? '');
  assert.deepEqual([claims.tid, claims.amr], [people.tenantId, ['pwd']]);
  assert.ok(claims.sid && claims.auth_time && claims.acr);
  assert.ok(decodeJwt(answer.get('id_token') ?? '').at_hash);
  assert.equal(answer.get('refresh_token'), null);
});

for (const [mode, where] of [
  ['query', 'search'],
  ['fragment', 'hash'],
] as const) {
  test(`response_mode ${mode} puts code, state and iss there, and nowhere else`, async () => {
    const target = await answerTo(world.client, {
      response_mode: mode,
      client_id: world.client.clientId,
      redirect_uri: world.client.redirectUri,
    });
    const answer = new URLSearchParams(target[where].slice(1));
    assert.deepEqual([...answer.keys()].sort(), ['code', 'iss', 'state']);
    assert.equal(target[where === 'hash' ? 'search' : 'hash'], '');
  });
}

test('response_mode form_post carries tokens of the front channel in a body (Form Post 2)', async () => {
  const agent = createUserAgent(url);
  const changes = { response_type: 'code id_token', response_mode: 'form_post' };
  const query = new URLSearchParams(requestOf(hybrid, changes));
  const page = await agent.follow(`${url}/authorize?${query}`);
  const { html } = await agent.submit(page, '/sign-in', credentials);
  for (const name of ['code', 'id_token', 'state']) {
    assert.match(html, new RegExp(`name="${name}"`));
  }
  assert.match(html, new RegExp(`action="${hybrid.redirectUri}"`));
});

test('an unknown response mode is refused, and so is one that a client did not register (ASVS 10.4.12)', async () => {
  const { url: end } = await ask(world.client, { response_mode: 'web_message' });
  assert.equal(end.searchParams.get('error'), 'unsupported_response_mode');
  const narrow = await seedClient(deps, people.tenantId, {
    metadata: { response_modes: ['query'] },
  });
  const { url: other } = await ask(narrow, { response_mode: 'fragment' });
  assert.equal(
    new URLSearchParams(other.search || other.hash.slice(1)).get('error'),
    'invalid_request',
  );
});
