import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { exportJWK, type JWTPayload, SignJWT } from 'jose';
import { seedClient } from '../helpers/gatehouse.ts';
import { startSite } from '../helpers/site.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { createWorld, getJson } from './support.ts';

const site = await startSite();
const world = await createWorld({
  settings: { OUTBOUND_ALLOWED_HOSTS: site.host },
  overrides: { outbound: { ca: site.ca } },
});
const { url, deps, people } = world;
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const { port } = new URL(url);

const paths = ['/request.jwt', '/forged.jwt', '/missing.jwt', '/long.jwt', '/moved.jwt', '/slow'];
const inside = `https://localhost:${port}/health/live`;
const client = await seedClient(deps, people.tenantId, {
  metadata: {
    jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' }] },
    request_uris: [...paths.map((path) => site.url + path), inside],
  },
});

const sign = (claims: JWTPayload, key = privateKey) =>
  new SignJWT({
    response_type: 'code',
    redirect_uri: client.redirectUri,
    scope: 'openid',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    client_id: client.clientId,
    ...claims,
  })
    .setProtectedHeader({ alg: 'ES256', kid: 'k', typ: 'oauth-authz-req+jwt' })
    .setIssuer(client.clientId)
    .setAudience(url)
    .setIssuedAt()
    .setExpirationTime('2m')
    .sign(key);

site.put('/request.jwt', await sign({ state: 'from the object' }), {
  'content-type': 'application/oauth-authz-req+jwt',
});

function authorizeUrl(requestUri: string, more: Record<string, string> = {}): string {
  const query = new URLSearchParams({
    client_id: client.clientId,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: 'openid',
    request_uri: requestUri,
    ...more,
  });
  return `${url}/authorize?${query}`;
}

/** The error that the client, or else the person, is told. */
async function errorOf(requestUri: string, more?: Record<string, string>) {
  const { headers, body, status } = await getJson(authorizeUrl(requestUri, more), {
    accept: 'application/json',
  });
  assert.ok(status < 500, String(status));
  const location = headers.get('location');
  if (!location) return body;
  return Object.fromEntries(new URL(location, url).searchParams);
}

test('a signed request by reference is read and signs a person in (RFC 9101 5.2)', async () => {
  const agent = createUserAgent(url);
  const page = await agent.follow(new URL(authorizeUrl(`${site.url}/request.jwt`)));
  const end = await agent.submit(page, '/sign-in', {
    identifier: people.user.email,
    password: people.user.password,
  });
  assert.ok(end.url.searchParams.get('code'), String(end.url));
  assert.equal(end.url.searchParams.get('state'), 'from the object');
});

test('what stands beside a request by reference does not count (RFC 9101 6.3)', async () => {
  site.put('/request.jwt', await sign({ state: 'from the object', prompt: 'none' }));
  const { state, error } = await errorOf(`${site.url}/request.jwt`, {
    state: 'beside',
    prompt: 'login',
  });
  assert.equal(error, 'login_required');
  assert.equal(state, 'from the object');
});

test('an address that is not registered, to the letter, is not read: invalid_request_uri', async () => {
  const before = site.requests.length;
  const known = `${site.url}/request.jwt`;
  for (const uri of [`${known}?x=1`, `${known}#x`, `${known}/`, 'https://other.example/r', inside])
    assert.equal((await errorOf(uri)).error, 'invalid_request_uri', uri);
  assert.equal(site.requests.length, before);
});

test('CVE-2026-55671: a registered address that leads inside is refused without a word of why', async () => {
  const { error, error_description: description } = await errorOf(inside);
  assert.equal(error, 'invalid_request_uri');
  assert.equal(description, 'request_uri could not be read');
});

test('whatever goes wrong on the way is invalid_request_uri, and a redirect is not followed', async () => {
  site.put('/long.jwt', 'x'.repeat(100_000));
  site.on('/moved.jwt', (_request, response) =>
    response.writeHead(302, { location: '/request.jwt' }).end(),
  );
  site.on('/slow', (_request, response) => response.destroy());
  for (const path of ['/missing.jwt', '/long.jwt', '/moved.jwt', '/slow']) {
    assert.equal((await errorOf(site.url + path)).error, 'invalid_request_uri', path);
  }
  assert.equal(site.requests.at(-1), '/slow');
});

test('an object that the client has not signed is invalid_request_object (RFC 9101 6.2)', async () => {
  const { privateKey: foreign } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  site.put('/forged.jwt', await sign({}, foreign));
  assert.equal((await errorOf(`${site.url}/forged.jwt`)).error, 'invalid_request_object');
  site.put('/forged.jwt', 'no JWT at all');
  assert.equal((await errorOf(`${site.url}/forged.jwt`)).error, 'invalid_request_object');
});

test('request and request_uri together are refused: invalid_request (OpenID Connect Core 6)', async () => {
  const request = await sign({});
  const { error } = await errorOf(`${site.url}/request.jwt`, { request });
  assert.equal(error, 'invalid_request');
});

test('other schemes are not read: request_uri_not_supported', async () => {
  for (const uri of ['urn:example:request', 'data:text/plain,x', 'file:///etc/passwd', 'x']) {
    assert.equal((await errorOf(uri)).error, 'request_uri_not_supported', uri);
  }
});

test('addresses of request objects are https and few', async () => {
  const many = Array.from({ length: 11 }, (_, index) => `https://a.example/${index}`);
  for (const uris of [['http://a.example/r'], ['x'], many, 'https://a.example/r']) {
    const attempt = seedClient(deps, people.tenantId, { metadata: { request_uris: uris } });
    await assert.rejects(attempt, { code: 'IDENT_VALIDATION' });
  }
});

test('requests by reference are advertised, with the need to register their address', async () => {
  const { body } = await getJson(`${url}/.well-known/openid-configuration`);
  assert.equal(body.request_uri_parameter_supported, true);
  assert.equal(body.require_request_uri_registration, true);
});
