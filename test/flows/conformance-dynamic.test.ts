import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';
import { assertionOf, createKeys, signJwt } from '../helpers/keys.ts';
import { startSite } from '../helpers/site.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { authorize, redeem, requestOf, verifyIdToken } from './conformance-support.ts';
import { bearer, createWorld, getJson, postForm } from './support.ts';

/**
 * The modules of the dynamic and the third-party-initiated login plan, with
 * clients that register themselves as the suite's do; docs/conformance.md.
 */
const site = await startSite();
const world = await createWorld({
  settings: {
    GATEHOUSE_PROFILE: 'conformance',
    OUTBOUND_ALLOWED_HOSTS: site.host,
    TRUSTED_PROXIES: '127.0.0.1',
  },
  overrides: { outbound: { ca: site.ca } },
});
const { url, people, deps } = world;
const CALLBACK = 'https://www.certification.openid.net/test/a/gatehouse/callback';
const TOKEN = `${url}/token`;
const keys = await createKeys('RS256');
const { token } = await deps.initialAccessTokens.create({
  tenantId: people.tenantId,
  maxUses: 100,
});

let addresses = 0;

/** Registers a client as the suite does: a key, the code flow, nothing of PKCE. */
async function register(metadata: Record<string, unknown> = {}) {
  addresses += 1;
  const body = {
    client_name: 'Conformance',
    redirect_uris: [CALLBACK],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    token_endpoint_auth_method: 'private_key_jwt',
    contacts: ['certification@oidf.org'],
    ...('jwks_uri' in metadata ? {} : { jwks: keys.jwks }),
    ...metadata,
  };
  return postForm(`${url}/register`, JSON.stringify(body), {
    ...bearer(token),
    'content-type': 'application/json',
    'x-forwarded-for': `192.0.2.${addresses}`,
  });
}

async function seed(metadata: Record<string, unknown> = {}) {
  const { status, body } = await register(metadata);
  assert.equal(status, 201, JSON.stringify(body));
  const [redirectUri = ''] = body.redirect_uris as string[];
  return { clientId: String(body.client_id), clientSecret: '', redirectUri, metadata: body };
}

type Registered = Awaited<ReturnType<typeof seed>>;

/** A whole flow, the client proving itself by its key for the token endpoint or the issuer. */
async function complete(client: Registered, parameters = {}, by = keys, audience = TOKEN) {
  const { answer, agent } = await authorize(world, client, parameters);
  const assertion = await assertionOf(by, client.clientId, audience);
  const { status, body } = await redeem(world, client, answer.get('code') ?? '', assertion, {});
  assert.equal(status, 200, JSON.stringify(body));
  return { tokens: body, agent, answer };
}

test('a client that registers itself gets an ID token signed with RS256 (OpenID Connect Registration 3.1)', async () => {
  const client = await seed({ id_token_signed_response_alg: 'RS256' });
  const { tokens } = await complete(client);
  const { alg, payload } = await verifyIdToken(world, client, tokens.id_token);
  assert.equal(alg, 'RS256');
  assert.equal(payload.sub, people.user.id);
});

test('an assertion for the issuer is taken as well as one for the token endpoint (RFC 7523 3)', async () => {
  const client = await seed();
  await complete(client, {}, keys, url);
  await complete(client, {}, keys, TOKEN);
});

test('userinfo is signed with RS256 for a client that registered that (OpenID Connect Core 5.3.2)', async () => {
  const client = await seed({ userinfo_signed_response_alg: 'RS256' });
  const { tokens } = await complete(client);
  const response = await fetch(`${url}/userinfo`, {
    headers: bearer(String(tokens.access_token)),
  });
  assert.match(response.headers.get('content-type') ?? '', /^application\/jwt/);
  const { body } = await getJson(`${url}/.well-known/jwks.json`);
  const jwks = createLocalJWKSet(body as unknown as Parameters<typeof createLocalJWKSet>[0]);
  const { payload, protectedHeader } = await jwtVerify(await response.text(), jwks, {
    issuer: url,
    audience: client.clientId,
  });
  assert.equal(protectedHeader.alg, 'RS256');
  assert.equal(payload.sub, people.user.id);
});

/** The page that a request ends on, which must be ours. */
async function refusedPage(client: Registered, redirect_uri: string | undefined) {
  const query = requestOf(client, { redirect_uri });
  const page = await createUserAgent(url).follow(`/authorize?${query}`);
  assert.equal(page.url.origin, url);
  assert.equal(page.response.status, 400);
}

test('with two redirect URIs a request must name one (OpenID Connect Core 3.1.2.1)', async () => {
  await refusedPage(await seed({ redirect_uris: [CALLBACK, `${CALLBACK}2`] }), undefined);
});

test('a redirect URI with a query is kept whole, and matched whole (OpenID Connect Core 3.1.2.1)', async () => {
  const client = await seed({ redirect_uris: [`${CALLBACK}?foo=bar`] });
  const { answer } = await complete(client);
  assert.equal(answer.get('foo'), 'bar');
  await refusedPage(client, `${CALLBACK}?foo=baz`);
  await refusedPage(client, CALLBACK);
  await refusedPage(await seed(), `${CALLBACK}?foo=bar`);
});

test('a redirect URI with a fragment is not registered (OpenID Connect Registration 2)', async () => {
  const { status, body } = await register({ redirect_uris: [`${CALLBACK}#foo`] });
  assert.deepEqual([status, body.error], [400, 'invalid_redirect_uri']);
});

test('logo, policy and terms of a client are registered and shown where the person decides (OpenID Connect Registration 2)', async () => {
  const shown = {
    policy_uri: 'https://www.certification.openid.net/policy',
    tos_uri: 'https://www.certification.openid.net/terms',
    logo_uri: 'https://www.certification.openid.net/logo.png',
  };
  const client = await seed(shown);
  for (const [name, value] of Object.entries(shown)) assert.equal(client.metadata[name], value);
  const agent = createUserAgent(url);
  const page = await agent.follow(`/authorize?${requestOf(client)}`);
  const { email: identifier, password } = people.user;
  const consent = await agent.submit(page, '/sign-in', { identifier, password });
  assert.ok(consent.html.includes(`href="${shown.policy_uri}"`));
  assert.ok(consent.html.includes(`href="${shown.tos_uri}"`));
});

test('keys of a client are read from its jwks_uri, and read again a minute later when it signs with a new one (OpenID Connect Core 10.1.1)', async (t) => {
  const jwks_uri = site.put('/jwks', keys.jwks, { 'cache-control': 'no-cache' });
  const client = await seed({ jwks_uri, grant_types: ['authorization_code', 'refresh_token'] });
  const { tokens } = await complete(client, { scope: 'openid offline_access', prompt: 'consent' });
  const renewed = await createKeys('RS256');
  site.put('/jwks', { keys: [...renewed.jwks.keys, ...keys.jwks.keys] });
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 });
  const { status, body } = await postForm(TOKEN, {
    grant_type: 'refresh_token',
    refresh_token: String(tokens.refresh_token),
    ...(await assertionOf(renewed, client.clientId, TOKEN)),
  });
  assert.equal(status, 200, JSON.stringify(body));
});

test('a sector_identifier_uri must list the redirect URIs (OpenID Connect Registration 5)', async () => {
  const good = site.put('/sector', [CALLBACK]);
  const bad = site.put('/other-sector', ['https://elsewhere.example/callback']);
  const pairwise = { subject_type: 'pairwise' };
  const client = await seed({ ...pairwise, sector_identifier_uri: good });
  const { tokens } = await complete(client);
  assert.notEqual(decodeJwt(String(tokens.id_token)).sub, people.user.id);
  const { status, body } = await register({ ...pairwise, sector_identifier_uri: bad });
  assert.deepEqual([status, body.error], [400, 'invalid_client_metadata']);
});

test('a request by reference that is signed with RS256 is honoured (OpenID Connect Core 6.2)', async () => {
  const request_uri = `${site.url}/request`;
  const client = await seed({ request_uris: [request_uri] });
  const state = 'kept';
  const request = Object.fromEntries(requestOf(client, { state }));
  const claims = { ...request, iss: client.clientId, aud: url };
  site.put('/request', await signJwt(keys, claims), { 'content-type': 'application/jwt' });
  const { answer } = await authorize(world, client, { request_uri, state });
  assert.ok(answer.get('code'));
});

test('initiate_login_uri is registered and read back, and must be https (OpenID Connect Core 4)', async () => {
  const initiate_login_uri = 'https://www.certification.openid.net/test/a/gatehouse/login';
  const { metadata } = await seed({ initiate_login_uri });
  assert.equal(metadata.initiate_login_uri, initiate_login_uri);
  const read = await getJson(
    String(metadata.registration_client_uri),
    bearer(String(metadata.registration_access_token)),
  );
  assert.equal(read.body.initiate_login_uri, initiate_login_uri);
  const { status, body } = await register({ initiate_login_uri: 'http://rp.example/login' });
  assert.deepEqual([status, body.error], [400, 'invalid_client_metadata']);
});
