import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as oidc from 'openid-client';
import { createCertificate } from '../helpers/certificate.ts';
import type { TestClient } from '../helpers/gatehouse.ts';
import { startSite } from '../helpers/site.ts';
import { createUserAgent, type UserAgent } from '../helpers/user-agent.ts';
import { bearer, createWorld, getJson, postForm } from './support.ts';

const REDIRECT = 'http://127.0.0.1:4998/callback';
const site = await startSite();
const world = await createWorld({
  settings: { OUTBOUND_ALLOWED_HOSTS: site.host, TRUSTED_PROXIES: '127.0.0.1' },
  overrides: { outbound: { ca: site.ca } },
});
const { url, people } = world;

let count = 0;
/** Puts a document on the web and gives its address, which is the client's id. */
function publish(more: Record<string, unknown> = {}, headers?: Record<string, string>): string {
  const path = `/client-${++count}.json`;
  const clientId = site.url + path;
  site.put(
    path,
    {
      client_id: clientId,
      client_name: 'An assistant',
      redirect_uris: [REDIRECT],
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      ...more,
    },
    headers,
  );
  return clientId;
}

const authorizeUrl = (clientId: string, more: Record<string, string> = {}): string =>
  `${url}/authorize?${new URLSearchParams({
    client_id: clientId,
    redirect_uri: REDIRECT,
    response_type: 'code',
    scope: 'openid profile email',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    ...more,
  })}`;

let addresses = 0;
/** The error that the client, or else the person on the error page, is told. */
async function errorOf(clientId: string, more?: Record<string, string>, at = url) {
  const response = await fetch(authorizeUrl(clientId, more).replace(url, at), {
    redirect: 'manual',
    headers: { 'x-forwarded-for': `192.0.2.${(addresses++ % 250) + 1}` },
  });
  assert.ok(response.status < 500, String(response.status));
  const location = response.headers.get('location');
  if (location) return Object.fromEntries(new URL(location, url).searchParams);
  const page = await response.text();
  const error = /<dd><code class="select">(\w+)<\/code><\/dd>/.exec(page)?.[1];
  return { error, error_description: /<dd><bdi>([^<]*)<\/bdi>/.exec(page)?.[1] };
}

/** Signs in as an unregistered client, over the consent page, which is handed to `onConsent`. */
async function signIn(
  clientId: string,
  options: {
    agent?: UserAgent;
    parameters?: Record<string, string>;
    onConsent?: (page: string) => void;
  } = {},
) {
  const client: TestClient = { clientId, clientSecret: '', redirectUri: REDIRECT };
  const configuration = await oidc.discovery(new URL(url), clientId, undefined, oidc.None(), {
    execute: [oidc.allowInsecureRequests],
  });
  const verifier = oidc.randomPKCECodeVerifier();
  const target = oidc.buildAuthorizationUrl(configuration, {
    redirect_uri: client.redirectUri,
    scope: 'openid profile email',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...options.parameters,
  });
  const agent = options.agent ?? createUserAgent(url);
  let page = await agent.follow(target);
  if (!agent.cookies.has('gh_session')) {
    page = await agent.submit(page, '/sign-in', {
      identifier: people.user.email,
      password: people.user.password,
    });
  }
  assert.match(page.url.pathname, /^\/interaction\//, 'the consent page is shown');
  options.onConsent?.(page.html);
  const end = await agent.submit(page, '/consent', { decision: 'allow' });
  const tokens = await oidc.authorizationCodeGrant(configuration, end.url, {
    pkceCodeVerifier: verifier,
  });
  return { tokens, agent, configuration };
}

test('a client that nobody registered signs a person in; the consent page names its host', async () => {
  const clientId = publish();
  const { tokens, configuration } = await signIn(clientId, {
    onConsent(page) {
      assert.match(page, /The app is published at/);
      assert.ok(page.includes(site.host), 'the host of the document is shown');
      assert.match(page, /An assistant/);
    },
  });
  assert.equal(tokens.claims()?.sub, people.user.id);
  const userinfo = await getJson(`${url}/userinfo`, bearer(tokens.access_token));
  assert.equal(userinfo.body.email, people.user.email);
  const me = await getJson(`${url}/api/v1/me`, bearer(tokens.access_token));
  assert.equal(me.body.id, people.user.id);
  const { body } = await postForm(`${url}/introspect`, {
    token: tokens.access_token,
    client_id: clientId,
  });
  assert.equal(body.active, true);
  assert.equal(body.client_id, clientId);
  const next = await oidc.refreshTokenGrant(configuration, String(tokens.refresh_token));
  assert.ok(next.access_token);
});

test('people are asked each time, also by a client that they have allowed before', async () => {
  const clientId = publish();
  const { agent } = await signIn(clientId);
  await signIn(clientId, { agent });
  const { error } = await errorOfSilent(agent, clientId);
  assert.equal(error, 'consent_required');
});

async function errorOfSilent(agent: UserAgent, clientId: string) {
  const end = await agent.follow(new URL(authorizeUrl(clientId, { prompt: 'none' })));
  return Object.fromEntries(end.url.searchParams);
}

test('such a client belongs to the platform: the tenant is the one asked for, or the person’s own', async () => {
  const { tokens } = await signIn(publish(), { parameters: { tenant: 'lotus' } });
  const { body } = await getJson(`${url}/api/v1/me`, bearer(tokens.access_token));
  assert.equal(body.id, people.user.id);
});

test('a document is read once for many requests, while it is fresh', async () => {
  const clientId = publish({}, { 'cache-control': 'max-age=600' });
  const path = new URL(clientId).pathname;
  await errorOf(clientId);
  await errorOf(clientId);
  await errorOf(clientId);
  assert.equal(site.requests.filter((one) => one === path).length, 1);
});

test('tokens go on while the document cannot be read: its server is no part of their use', async () => {
  const clientId = publish();
  const { tokens } = await signIn(clientId);
  site.on(new URL(clientId).pathname, (_request, response) => response.destroy());
  assert.equal((await getJson(`${url}/api/v1/me`, bearer(tokens.access_token))).status, 200);
});

test('a document that is not what its address says is refused: invalid_client_metadata', async () => {
  const cases: Record<string, Record<string, unknown>> = {
    'names another client': { client_id: `${site.url}/other.json` },
    'has a shared secret': { client_secret: 'x'.repeat(40) },
    'authenticates by a secret': { token_endpoint_auth_method: 'client_secret_basic' },
    'wants a grant of its own': { grant_types: ['authorization_code', 'client_credentials'] },
    'wants scopes of the platform': { scope: 'openid tenant:users:write' },
    'redirects by http': { redirect_uris: ['http://app.example/callback'] },
    'names a sector': { subject_type: 'pairwise', sector_identifier_uri: `${site.url}/sector` },
    'opts out of PKCE': { require_pkce: false },
    'may impersonate': { may_impersonate: true },
  };
  for (const [name, metadata] of Object.entries(cases)) {
    const { error } = await errorOf(publish(metadata));
    assert.match(String(error), /^invalid_(client_metadata|redirect_uri)$/, name);
  }
});

test('what cannot be read is invalid_client, and the answer does not tell what was met', async () => {
  const { port } = new URL(url);
  const moved = site.on('/moved.json', (_request, response) =>
    response.writeHead(302, { location: '/client-1.json' }).end(),
  );
  const large = publish({ client_name: 'x'.repeat(6_000) });
  const cases = [`${site.url}/missing.json`, moved, large, site.put('/text.json', 'no JSON')];
  for (const clientId of [
    ...cases,
    // CVE-2026-55671: addresses of the inside.
    ...[
      `https://localhost:${port}/`,
      'https://127.0.0.1/x',
      'https://[::1]/x',
      'https://10.0.0.1/',
    ],
    'https://169.254.169.254/latest/meta-data',
  ]) {
    const { error, error_description: description } = await errorOf(clientId);
    assert.equal(error, 'invalid_client', clientId);
    assert.doesNotMatch(String(description), /public|refused|ECONN|certificate|302|404/, clientId);
  }
});

test('ids that are no https address of a document are unknown clients', async () => {
  const plain = site.url.replace('https:', 'http:');
  const odd = [`${plain}/client-1.json`, `${site.url}/a/../client-1.json`];
  odd.push(`https://user@${site.host}/client-1.json`, `${site.url}/client-1.json#x`, 'https://');
  for (const clientId of odd) {
    assert.equal((await errorOf(clientId)).error, 'invalid_client', clientId);
  }
});

test('an id with a NUL is an unknown client at every endpoint, never an error of ours', async () => {
  const clientId = `${site.url}/\0`;
  assert.match((await errorOf(clientId)).error ?? '', /^invalid_client/);
  const form = { client_id: clientId, grant_type: 'authorization_code', code: 'x' };
  for (const path of ['/token', '/par', '/revoke', '/introspect']) {
    const { status, body } = await postForm(url + path, { ...form, token: 'x' });
    assert.ok(status === 400 || status === 401, `${path} ${status}`);
    assert.match(String(body.error), /^invalid_client/, path);
  }
});

test('a redirect URI that the document does not list is refused, and nobody is sent there', async () => {
  const { error } = await errorOf(publish(), { redirect_uri: 'https://evil.example/callback' });
  assert.equal(error, 'invalid_redirect_uri');
});

test('one address cannot make the service read documents without end', async () => {
  const headers = { accept: 'application/json', 'x-forwarded-for': '203.0.113.7' };
  const before = site.requests.length;
  for (let index = 0; index < 40; index += 1) {
    await getJson(authorizeUrl(`${site.url}/none-${index}.json`), headers);
  }
  assert.equal(site.requests.length - before, 30);
});

test('an operator shuts one client out by a disabled client of its id, tokens and all', async () => {
  const clientId = publish();
  const { tokens } = await signIn(clientId);
  const { id: tenantId } = await world.deps.tenants.ensurePlatform();
  const metadata = { redirect_uris: [REDIRECT] };
  await world.deps.clients.create({ tenantId, clientId, metadata });
  await world.deps.clients.disable({ tenantId, clientId });
  assert.equal((await getJson(`${url}/api/v1/me`, bearer(tokens.access_token))).status, 401);
  assert.equal((await getJson(`${url}/userinfo`, bearer(tokens.access_token))).status, 401);
  assert.equal((await errorOf(clientId)).error, 'invalid_client');
});

test('it can be narrowed to hosts, and switched off', async () => {
  const narrow = await createWorld({
    settings: { CLIENT_ID_METADATA_HOSTS: 'apps.example', OUTBOUND_ALLOWED_HOSTS: site.host },
    overrides: { outbound: { ca: site.ca } },
  });
  const off = await createWorld({ settings: { CLIENT_ID_METADATA_DOCUMENTS: 'false' } });
  const clientId = publish();
  const before = site.requests.length;
  for (const other of [narrow, off]) {
    assert.equal((await errorOf(clientId, {}, other.url)).error, 'invalid_client');
  }
  assert.equal(site.requests.length, before);
  const metadata = await Promise.all(
    [world, off].map((one) => getJson(`${one.url}/.well-known/openid-configuration`)),
  );
  const offered = metadata.map(({ body }) => body.client_id_metadata_document_supported);
  assert.deepEqual(offered, [true, undefined]);
});

test('a host whose certificate is not trusted describes nobody', async () => {
  const other = await createWorld({
    settings: { OUTBOUND_ALLOWED_HOSTS: site.host },
    overrides: { outbound: { ca: [createCertificate(['localhost']).cert] } },
  });
  const { error, error_description: description } = await errorOf(publish(), {}, other.url);
  assert.equal(error, 'invalid_client');
  assert.equal(description, 'client_id metadata document fetch failed');
});
