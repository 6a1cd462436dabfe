import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as openid from 'openid-client';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { assertionOf, createKeys, epoch, signJwt } from '../helpers/keys.ts';
import { authorizationRequest, discover, exchange, signIn } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { type Answer, basic, createWorld, getJson, postForm } from './support.ts';

const world = await createWorld();
const { url, client, people, deps } = world;
const par = `${url}/par`;
const keys = await createKeys('ES256');
const credentials = { identifier: people.user.email, password: people.user.password };

const seed = (metadata: Record<string, unknown>) => seedClient(deps, people.tenantId, { metadata });

const post = await seed({ token_endpoint_auth_method: 'client_secret_post' });
const asymmetric = await seed({ token_endpoint_auth_method: 'private_key_jwt', jwks: keys.jwks });
const secretKey = await seed({ token_endpoint_auth_method: 'client_secret_jwt' });
const open = await seed({
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code'],
});
const pushedOnly = await seed({ require_pushed_authorization_requests: true });

const requestOf = (of: TestClient, changes: Record<string, string> = {}) => ({
  client_id: of.clientId,
  redirect_uri: of.redirectUri,
  response_type: 'code',
  scope: 'openid email',
  state: 'pushed',
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  code_challenge_method: 'S256',
  ...changes,
});

const push = (of = client, changes: Record<string, string> = {}): Promise<Answer> =>
  postForm(par, requestOf(of, changes), basic(of));

/** Sends the browser to a pushed request and tells where it ends. */
const authorize = (of: TestClient, requestUri: unknown, more: Record<string, string> = {}) => {
  const query = { client_id: of.clientId, request_uri: String(requestUri), ...more };
  return createUserAgent(url).follow(`${url}/authorize?${new URLSearchParams(query)}`);
};

const isSignIn = (end: { url: URL }): boolean => end.url.href.startsWith(`${url}/interaction/`);

test('openid-client pushes its request, and the browser carries a reference only (RFC 9126 2)', async () => {
  const configuration = await discover(url, client);
  const plain = await authorizationRequest(configuration, client.redirectUri);
  const pushed = await openid.buildAuthorizationUrlWithPAR(configuration, plain.url.searchParams);
  assert.deepEqual([...pushed.searchParams.keys()].sort(), ['client_id', 'request_uri']);
  const redirect = await signIn(createUserAgent(url), { ...plain, url: pushed }, credentials);
  const tokens = await exchange(configuration, plain, redirect);
  assert.ok(tokens.access_token);
});

const clientSecretJwt = async () => {
  const configuration = await openid.discovery(
    new URL(url),
    secretKey.clientId,
    undefined,
    openid.ClientSecretJwt(secretKey.clientSecret),
    { execute: [openid.allowInsecureRequests] },
  );
  const target = await openid.buildAuthorizationUrlWithPAR(configuration, requestOf(secretKey));
  return { status: 201, body: { request_uri: target.searchParams.get('request_uri') } };
};

const METHODS: [string, TestClient, () => Promise<Pick<Answer, 'status' | 'body'>>][] = [
  ['client_secret_basic', client, () => push()],
  [
    'client_secret_post',
    post,
    () => postForm(par, { ...requestOf(post), client_secret: post.clientSecret }),
  ],
  [
    'private_key_jwt',
    asymmetric,
    async () =>
      postForm(par, {
        ...requestOf(asymmetric),
        ...(await assertionOf(keys, asymmetric.clientId, url)),
      }),
  ],
  ['client_secret_jwt', secretKey, clientSecretJwt],
  ['none', open, () => postForm(par, requestOf(open))],
];

for (const [method, of, pushIt] of METHODS) {
  test(`${method} may push, and the reference leads to the sign-in (RFC 9126 2.1)`, async () => {
    const { status, body } = await pushIt();
    assert.equal(status, 201, JSON.stringify(body));
    assert.ok(isSignIn(await authorize(of, body.request_uri)));
  });
}

test('the answer is a reference of 60 seconds that cannot be guessed (RFC 9126 2.2, 7.1)', async () => {
  const [first, second] = await Promise.all([push(), push()]);
  assert.equal(first.body.expires_in, 60);
  assert.match(String(first.body.request_uri), /^urn:ietf:params:oauth:request_uri:[\w-]{43,}$/);
  assert.notEqual(first.body.request_uri, second.body.request_uri);
  assert.match(first.headers.get('cache-control') ?? '', /no-store/);
});

test('whoever does not authenticate pushes nothing (RFC 9126 2.3)', async () => {
  const wrong = await postForm(par, requestOf(client), basic({ ...client, clientSecret: 'wrong' }));
  assert.equal(wrong.status, 401);
  assert.equal(wrong.body.error, 'invalid_client');
  const none = await postForm(par, requestOf(client));
  assert.equal(none.status, 401);
  assert.equal(none.body.error, 'invalid_client');
});

const WRONG: [string, Record<string, string>, string][] = [
  [
    'a request_uri',
    { request_uri: 'urn:ietf:params:oauth:request_uri:x' },
    'request_uri_not_supported',
  ],
  ['a foreign redirect_uri', { redirect_uri: 'https://evil.example/' }, 'invalid_request'],
  ['no PKCE', { code_challenge: '' }, 'invalid_request'],
  ['an unknown response type', { response_type: 'token' }, 'unsupported_response_type'],
  ['a malformed scope', { scope: 'openid "x"' }, 'invalid_scope'],
  ['an unknown resource', { resource: 'https://x.example' }, 'invalid_target'],
  ['another client_id', { client_id: post.clientId }, 'invalid_request'],
];

for (const [what, changes, error] of WRONG) {
  test(`a request with ${what} is refused where it is pushed (RFC 9126 2.1, 2.3)`, async () => {
    const { status, body } = await push(client, changes);
    assert.equal(status, 400, JSON.stringify(body));
    assert.equal(body.error, error);
    assert.equal(body.request_uri, undefined);
  });
}

test('a pushed request is asked for by POST only (RFC 9126 2.3)', async () => {
  const { status } = await getJson(`${par}?${new URLSearchParams(requestOf(client))}`, {
    accept: 'application/json',
  });
  assert.equal(status, 404);
});

test('a reference leads to one authorization (RFC 9126 4)', async () => {
  const { body } = await push();
  const agent = createUserAgent(url);
  const query = new URLSearchParams({
    client_id: client.clientId,
    request_uri: String(body.request_uri),
  });
  const page = await agent.follow(`${url}/authorize?${query}`);
  const end = await agent.submit(page, '/sign-in', credentials);
  assert.ok(end.url.searchParams.get('code'));
  for (const again of [
    await agent.follow(`${url}/authorize?${query}`),
    await authorize(client, body.request_uri),
  ]) {
    assert.equal(
      again.url.searchParams.get('error') ?? /invalid_\w+/.exec(again.html)?.[0],
      'invalid_request_uri',
    );
  }
});

test('a reference that expired leads nowhere (RFC 9126 4)', async (t) => {
  const { body } = await push();
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 });
  const end = await authorize(client, body.request_uri);
  assert.ok(!isSignIn(end));
  assert.match(end.url.href + end.html, /invalid_request_uri/);
});

test('a reference is of the client that pushed it, and unknown ones are refused (RFC 9126 2.2)', async () => {
  const { body } = await push();
  for (const [of, reference] of [
    [post, body.request_uri],
    [client, `${body.request_uri}x`],
    [client, 'urn:ietf:params:oauth:request_uri:'],
  ] as const) {
    const end = await authorize(of, reference);
    assert.ok(!isSignIn(end));
    assert.equal(end.url.searchParams.get('code'), null);
    assert.match(end.url.href + end.html, /invalid_request/);
  }
});

test('what stands beside a reference changes nothing (RFC 9126 4, RFC 9101 6.3)', async () => {
  const { body } = await push();
  const agent = createUserAgent(url);
  const query = new URLSearchParams({
    client_id: client.clientId,
    request_uri: String(body.request_uri),
    redirect_uri: 'https://evil.example/',
    state: 'other',
    scope: 'openid phone',
  });
  const page = await agent.follow(`${url}/authorize?${query}`);
  const end = await agent.submit(page, '/sign-in', credentials);
  assert.equal(end.url.origin + end.url.pathname, client.redirectUri);
  assert.equal(end.url.searchParams.get('state'), 'pushed');
});

test('a client with require_pushed_authorization_requests may not ask in the front (RFC 9126 5, 6)', async () => {
  const query = new URLSearchParams(requestOf(pushedOnly));
  const end = await createUserAgent(url).follow(`${url}/authorize?${query}`);
  assert.equal(end.url.searchParams.get('error'), 'invalid_request');
  const { body } = await push(pushedOnly);
  assert.ok(isSignIn(await authorize(pushedOnly, body.request_uri)));
});

test('a signed request object may be pushed; it must be of the client that pushes (RFC 9126 3)', async () => {
  const claims = {
    ...requestOf(asymmetric),
    iss: asymmetric.clientId,
    aud: url,
    exp: epoch() + 60,
  };
  const pushJwt = async (changes: Record<string, unknown> = {}) =>
    postForm(par, {
      client_id: asymmetric.clientId,
      request: await signJwt(keys, { ...claims, ...changes }),
      ...(await assertionOf(keys, asymmetric.clientId, url)),
    });
  const { status, body } = await pushJwt();
  assert.equal(status, 201, JSON.stringify(body));
  assert.ok(isSignIn(await authorize(asymmetric, body.request_uri)));
  const foreign = await pushJwt({ client_id: client.clientId });
  assert.equal(foreign.status, 400);
  assert.equal(foreign.body.error, 'invalid_request_object');
});
