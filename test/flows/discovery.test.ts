import assert from 'node:assert/strict';
import { test } from 'node:test';
import { basic, createWorld, getJson, postForm } from './support.ts';

const world = await createWorld();
const { url, client } = world;
const PATHS = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'];
const { body: metadata } = await getJson(url + PATHS[0]);

/** Where a request to an advertised endpoint must lead, if it is served at all. */
const PROBES: Record<string, (endpoint: string) => Promise<number>> = {
  authorization_endpoint: async (endpoint) => (await getJson(endpoint)).status,
  token_endpoint: async (endpoint) => (await postForm(endpoint, {}, basic(client))).status,
  userinfo_endpoint: async (endpoint) => (await getJson(endpoint)).status,
  introspection_endpoint: async (endpoint) => (await postForm(endpoint, {}, basic(client))).status,
  revocation_endpoint: async (endpoint) => (await postForm(endpoint, {}, basic(client))).status,
  end_session_endpoint: async (endpoint) => (await getJson(endpoint)).status,
  jwks_uri: async (endpoint) => (await getJson(endpoint)).status,
};

test('both well-known addresses give the same document, cacheable and open to every origin', async () => {
  for (const path of PATHS) {
    const { status, headers, body } = await getJson(url + path);
    assert.equal(status, 200);
    assert.deepEqual(body, metadata);
    assert.match(headers.get('cache-control') ?? '', /public/);
    assert.equal(headers.get('access-control-allow-origin'), '*');
    assert.match(headers.get('content-type') ?? '', /^application\/json/);
  }
});

test('the issuer is the address that the document was read from (RFC 8414 3.3)', () => {
  assert.equal(metadata.issuer, url);
});

test('every advertised endpoint is of this issuer and answers', async () => {
  const advertised = Object.entries(metadata).filter(([name]) => /_(endpoint|uri)$/.test(name));
  assert.deepEqual(advertised.map(([name]) => name).sort(), Object.keys(PROBES).sort());
  for (const [name, endpoint] of advertised) {
    assert.equal(new URL(String(endpoint)).origin, url, name);
    const status = await PROBES[name]?.(String(endpoint));
    assert.ok(status === 200 || status === 400 || status === 401, `${name} answered ${status}`);
  }
});

test('the jwks_uri is the well-known one and the document names S256 alone', () => {
  assert.equal(metadata.jwks_uri, `${url}/.well-known/jwks.json`);
  assert.deepEqual(metadata.code_challenge_methods_supported, ['S256']);
  assert.equal(metadata.authorization_response_iss_parameter_supported, true);
});

test('nothing that is off is advertised', () => {
  for (const name of [
    ...['registration_endpoint', 'device_authorization_endpoint', 'check_session_iframe'],
    ...['pushed_authorization_request_endpoint', 'backchannel_authentication_endpoint'],
    ...['dpop_signing_alg_values_supported', 'tls_client_certificate_bound_access_tokens'],
    ...['request_object_signing_alg_values_supported', 'authorization_details_types_supported'],
  ]) {
    assert.equal(metadata[name], undefined, name);
  }
  assert.notEqual(metadata.request_parameter_supported, true);
  assert.notEqual(metadata.claims_parameter_supported, true);
  assert.deepEqual(metadata.response_types_supported, ['code']);
});

test('what is advertised as a grant type, method or response mode is what is served', async () => {
  assert.deepEqual([...(metadata.grant_types_supported as string[])].sort(), [
    ...['authorization_code', 'client_credentials', 'refresh_token'],
  ]);
  for (const grant_type of [
    'implicit',
    'password',
    'urn:ietf:params:oauth:grant-type:device_code',
  ]) {
    const { body } = await postForm(`${url}/token`, { grant_type }, basic(client));
    assert.equal(body.error, 'unsupported_grant_type', grant_type);
  }
  const methods = metadata.token_endpoint_auth_methods_supported as string[];
  assert.deepEqual([...methods].sort(), [
    ...[
      'client_secret_basic',
      'client_secret_jwt',
      'client_secret_post',
      'none',
      'private_key_jwt',
    ],
  ]);
});

test('paths that are off answer like any unknown path, never by an error of ours', async () => {
  for (const path of ['/register', '/par', '/device', '/device_authorization', '/ciba', '/jwks']) {
    const { status } = await getJson(url + path, { accept: 'application/json' });
    assert.equal(status, 404, path);
  }
});

test('the document does not follow a foreign Host header (host header injection)', async () => {
  const port = new URL(url).port;
  const response = await fetch(`http://127.0.0.1:${port}${PATHS[0]}`, {
    headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
  });
  assert.ok(!(await response.text()).includes('evil.example'));
});
