import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedClient } from '../helpers/gatehouse.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { createWorld, obtainCode, signInForTokens } from './support.ts';

const world = await createWorld();
const { url, client, people } = world;

const BASE: Record<string, string> = {
  client_id: client.clientId,
  redirect_uri: client.redirectUri,
  response_type: 'code',
  scope: 'openid',
  state: 'a state & more=1#2 %00',
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  code_challenge_method: 'S256',
};

const authorize = (query: Record<string, string> | string) => {
  const text = typeof query === 'string' ? query : new URLSearchParams(query).toString();
  return createUserAgent(url).fetch(`${url}/authorize?${text}`);
};

const targetOf = (response: Response): URL =>
  new URL(response.headers.get('location') ?? 'about:blank', url);

test('a code comes with the issuer and the unchanged state (RFC 9207, RFC 9700 4.7)', async () => {
  const { redirect } = await obtainCode(world, { parameters: { state: BASE.state ?? '' } });
  assert.equal(redirect.searchParams.get('iss'), url);
  assert.equal(redirect.searchParams.get('state'), BASE.state);
  assert.deepEqual([...redirect.searchParams.keys()].sort(), ['code', 'iss', 'state']);
});

const ERRORS: [string, Record<string, string>, string][] = [
  ['no challenge', { code_challenge: '' }, 'invalid_request'],
  ['a response type that is off', { response_type: 'token' }, 'unsupported_response_type'],
  ['the implicit flow', { response_type: 'id_token', nonce: 'n' }, 'unsupported_response_type'],
  ['a silent request without a session', { prompt: 'none' }, 'login_required'],
  ['a contradictory prompt', { prompt: 'none login' }, 'invalid_request'],
  ['an unknown resource', { resource: 'https://x.example' }, 'invalid_target'],
  [
    'a request object that nobody signed',
    { request: 'eyJhbGciOiJub25lIn0.e30.' },
    'invalid_request_object',
  ],
  [
    'a request URI that the client has not registered',
    { request_uri: 'https://x.example' },
    'invalid_request_uri',
  ],
  ['a malformed scope', { scope: 'openid "x"' }, 'invalid_scope'],
];

for (const [what, changes, error] of ERRORS) {
  test(`an error says who sends it: ${what} (RFC 9207 2)`, async () => {
    const target = targetOf(await authorize({ ...BASE, ...changes }));
    assert.equal(target.origin + target.pathname, client.redirectUri);
    // Where tokens would have gone into the fragment, errors do (Multiple Response Types 5).
    const answer = new URLSearchParams(target.search || target.hash.slice(1));
    assert.equal(answer.get('error'), error);
    assert.equal(answer.get('iss'), url);
    assert.equal(answer.get('state'), BASE.state);
    assert.equal(answer.get('code'), null);
  });
}

test('a cancelled sign-in goes back with access_denied and the issuer', async () => {
  const agent = createUserAgent(url);
  const page = await agent.follow(`${url}/authorize?${new URLSearchParams(BASE)}`);
  const end = await agent.submit(page, '/abort', {});
  assert.equal(end.url.searchParams.get('error'), 'access_denied');
  assert.equal(end.url.searchParams.get('iss'), url);
});

test('an unknown client or redirect URI is never redirected to (RFC 9700 2.1)', async () => {
  const { redirectUri } = client;
  for (const changes of [
    { client_id: 'nobody' },
    { client_id: '' },
    { redirect_uri: `${redirectUri}/` },
    { redirect_uri: `${redirectUri}?x=1` },
    { redirect_uri: redirectUri.toUpperCase() },
    { redirect_uri: redirectUri.replace('localhost', 'localhost.evil.example') },
    { redirect_uri: redirectUri.replace('localhost', 'localhost@evil.example') },
    { redirect_uri: redirectUri.replace('localhost', 'localhost.') },
    { redirect_uri: redirectUri.replace('4999', '5000') },
    { redirect_uri: redirectUri.replace('/callback', '/x/../callback') },
    { redirect_uri: redirectUri.replace('//', '\\\\') },
    { redirect_uri: 'javascript:alert(1)' },
    { redirect_uri: '//evil.example' },
  ] as Record<string, string>[]) {
    const response = await authorize({ ...BASE, ...changes });
    assert.equal(response.status, 400, JSON.stringify(changes));
    assert.equal(response.headers.get('location'), null);
    assert.match(response.headers.get('content-type') ?? '', /^text\/html/);
  }
});

test('a dot in a registered redirect URI is a dot (CVE-2024-52289)', async () => {
  const dotted = await seedClient(world.deps, people.tenantId, {
    metadata: { redirect_uris: ['https://app.lotus.example/callback'] },
  });
  const changes = {
    client_id: dotted.clientId,
    redirect_uri: 'https://appxlotus.example/callback',
  };
  assert.equal((await authorize({ ...BASE, ...changes })).status, 400);
});

test('every parameter given twice is refused (CVE-2026-9689)', async () => {
  for (const name of Object.keys(BASE)) {
    const query = new URLSearchParams(BASE);
    query.append(name, name === 'redirect_uri' ? 'https://evil.example/' : 'second');
    const response = await authorize(query.toString());
    const error = targetOf(response).searchParams.get('error');
    assert.ok(
      response.status === 400 || error === 'invalid_request',
      `${name}: ${response.status}`,
    );
    assert.notEqual(targetOf(response).origin, 'https://evil.example');
    assert.ok(!targetOf(response).pathname.startsWith('/interaction'), name);
  }
});

test('the page after the password is reached by 303, which does not repeat it (RFC 9700 4.12)', async () => {
  const agent = createUserAgent(url);
  const page = await agent.follow(`${url}/authorize?${new URLSearchParams(BASE)}`);
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
  const { email, password } = people.user;
  const response = await agent.fetch(`${page.url.href}/sign-in`, {
    method: 'POST',
    body: new URLSearchParams({ csrf, identifier: email, password }),
  });
  assert.equal(response.status, 303);
});

test('the authorization endpoint is not for scripts of other sites: no CORS (RFC 9700 2.6)', async () => {
  const headers = { origin: 'https://app.example' };
  const response = await fetch(`${url}/authorize?${new URLSearchParams(BASE)}`, {
    headers,
    redirect: 'manual',
  });
  assert.equal(response.headers.get('access-control-allow-origin'), null);
});

test('form_post delivers code, state and issuer in a form (Form Post Response Mode 2)', async () => {
  const { agent } = await signInForTokens(world);
  const query = new URLSearchParams({ ...BASE, response_mode: 'form_post' });
  const { response, html } = await agent.follow(`${url}/authorize?${query}`);
  assert.equal(response.status, 200);
  assert.match(html, /name="code"/);
  assert.match(html, /name="iss"/);
  assert.match(html, new RegExp(`action="${client.redirectUri}"`));
});

test('a new session id comes with every sign-in (ASVS 7.2.4)', async () => {
  const agent = createUserAgent(url);
  const first = await signInForTokens(world, { agent });
  const before = first.agent.cookies.get('gh_session');
  const page = await agent.follow(
    `${url}/authorize?${new URLSearchParams({ ...BASE, prompt: 'login' })}`,
  );
  const { email, password } = people.user;
  await agent.submit(page, '/sign-in', { identifier: email, password });
  assert.ok(before);
  assert.notEqual(agent.cookies.get('gh_session'), before);
});
