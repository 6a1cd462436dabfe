import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedClient } from '../helpers/gatehouse.ts';
import { type Answer, basic, createWorld, getJson, postForm } from './support.ts';

/**
 * The document is checked against the service itself: whatever it advertises
 * must be served, whatever is served must be advertised.
 */
const world = await createWorld();
const { url, client } = world;
const PATHS = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'];
const { body: metadata } = await getJson(url + PATHS[0]);

/** Every endpoint that the metadata may name, where it lies and how it is asked. */
const ENDPOINTS: Record<string, { path: string; ask(endpoint: string): Promise<Answer> }> = {
  authorization_endpoint: { path: '/authorize', ask: getJson },
  token_endpoint: { path: '/token', ask: postAsClient },
  userinfo_endpoint: { path: '/userinfo', ask: getJson },
  introspection_endpoint: { path: '/introspect', ask: postAsClient },
  revocation_endpoint: { path: '/revoke', ask: postAsClient },
  end_session_endpoint: { path: '/logout', ask: getJson },
  jwks_uri: { path: '/.well-known/jwks.json', ask: getJson },
  pushed_authorization_request_endpoint: { path: '/par', ask: postAsClient },
  device_authorization_endpoint: { path: '/device_authorization', ask: postAsClient },
  backchannel_authentication_endpoint: { path: '/ciba', ask: postAsClient },
  registration_endpoint: { path: '/register', ask: postJson },
};

/** Members that look like endpoints and are documents for people (Discovery 3). */
const DOCUMENTS = ['service_documentation', 'op_policy_uri', 'op_tos_uri'];

function postAsClient(endpoint: string): Promise<Answer> {
  return postForm(endpoint, {}, basic(client));
}

function postJson(endpoint: string): Promise<Answer> {
  return postForm(endpoint, '{}', { 'content-type': 'application/json' });
}

const listed = (name: string): string[] => (metadata[name] as string[] | undefined) ?? [];

/** What /authorize says to a request that is sound but for `parameters`. */
async function authorizeError(parameters: Record<string, string>): Promise<string> {
  const query = new URLSearchParams({
    client_id: client.clientId,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: 'openid',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    prompt: 'none',
    ...parameters,
  });
  const { headers, body } = await getJson(`${url}/authorize?${query}`, {
    accept: 'application/json',
  });
  const location = headers.get('location');
  if (!location) return String(body.error ?? '');
  const target = new URL(location);
  const answer = new URLSearchParams(target.search || target.hash.slice(1));
  return answer.get('error') ?? '';
}

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

test('what OpenID Connect Discovery 3 requires is there', () => {
  for (const name of [
    ...['issuer', 'authorization_endpoint', 'token_endpoint', 'jwks_uri'],
    ...['response_types_supported', 'subject_types_supported'],
    ...['id_token_signing_alg_values_supported', 'scopes_supported', 'claims_supported'],
  ]) {
    assert.ok(metadata[name], name);
  }
  assert.ok(listed('id_token_signing_alg_values_supported').includes('RS256'));
  assert.ok(listed('scopes_supported').includes('openid'));
});

test('every advertised endpoint is known here, of this issuer, and answers', async () => {
  for (const [name, value] of Object.entries(metadata)) {
    if (!/_(endpoint|uri|iframe)$/.test(name) || DOCUMENTS.includes(name)) continue;
    const known = ENDPOINTS[name];
    assert.ok(known, `${name} is advertised and probed by no test`);
    assert.equal(value, url + known.path);
    const { status } = await known.ask(String(value));
    assert.ok([200, 400, 401].includes(status), `${name} answered ${status}`);
  }
});

test('an endpoint that is not advertised answers like any unknown path', async () => {
  for (const [name, { path, ask }] of Object.entries(ENDPOINTS)) {
    if (metadata[name] !== undefined) continue;
    assert.equal((await ask(url + path)).status, 404, path);
    assert.equal((await getJson(url + path, { accept: 'application/json' })).status, 404, path);
  }
});

test('pages of features that are off and paths of other servers are not served', async () => {
  const isDeviceOn = metadata.device_authorization_endpoint !== undefined;
  const foreign = ['/jwks', '/connect/token', '/oauth2/token', '/challenge', '/credential'];
  for (const path of [...foreign, ...(isDeviceOn ? [] : ['/device'])]) {
    const { status } = await getJson(url + path, { accept: 'application/json' });
    assert.equal(status, 404, path);
  }
});

test('S256 is the only challenge method: plain is refused (RFC 9700 2.1.1)', async () => {
  assert.deepEqual(listed('code_challenge_methods_supported'), ['S256']);
  const verifier = 'a'.repeat(43);
  const error = await authorizeError({ code_challenge: verifier, code_challenge_method: 'plain' });
  assert.equal(error, 'invalid_request');
});

test('a grant type is advertised exactly if /token knows it (RFC 6749 5.2)', async () => {
  const grantTypes = [
    ...['authorization_code', 'refresh_token', 'client_credentials', 'password', 'implicit'],
    'urn:ietf:params:oauth:grant-type:device_code',
    'urn:ietf:params:oauth:grant-type:token-exchange',
    'urn:ietf:params:oauth:grant-type:jwt-bearer',
    'urn:ietf:params:oauth:grant-type:saml2-bearer',
    'urn:ietf:params:oauth:grant-type:pre-authorized_code',
    'urn:openid:params:grant-type:ciba',
  ];
  for (const grant_type of new Set([...grantTypes, ...listed('grant_types_supported')])) {
    // The implicit grant is of the authorization endpoint alone (RFC 6749 4.2).
    const isServed =
      grant_type !== 'implicit' && listed('grant_types_supported').includes(grant_type);
    const { body } = await postForm(`${url}/token`, { grant_type }, basic(client));
    assert.equal(body.error === 'unsupported_grant_type', !isServed, grant_type);
  }
  assert.ok(!listed('grant_types_supported').includes('password'), 'RFC 9700 2.4');
  const hasDevice = listed('grant_types_supported').some((one) => one.endsWith(':device_code'));
  assert.equal(hasDevice, metadata.device_authorization_endpoint !== undefined);
  const hasCiba = listed('grant_types_supported').some((one) => one.endsWith(':ciba'));
  assert.equal(hasCiba, metadata.backchannel_authentication_endpoint !== undefined);
});

test('a response type is advertised exactly if /authorize knows it, with its grant', async () => {
  const responseTypes = [
    ...['code', 'id_token', 'token', 'none', 'id_token token', 'code id_token'],
    ...['code token', 'code id_token token', 'code foo'],
  ];
  const advertised = listed('response_types_supported').map((one) => one.split(' ').sort().join());
  for (const response_type of new Set([...responseTypes, ...listed('response_types_supported')])) {
    const error = await authorizeError({ response_type, nonce: 'n', response_mode: 'fragment' });
    const isKnown = advertised.includes(response_type.split(' ').sort().join());
    assert.equal(error === 'unsupported_response_type', !isKnown, `${response_type}: ${error}`);
  }
  const isImplicit = advertised.some((one) => /token/.test(one));
  assert.equal(listed('grant_types_supported').includes('implicit'), isImplicit);
  // An access token in a front-channel answer is never on (RFC 9700 2.1.2).
  assert.ok(!advertised.some((one) => one.split(',').includes('token')));
});

test('a response mode is advertised exactly if /authorize knows it', async () => {
  const modes = ['query', 'fragment', 'form_post', 'web_message', 'jwt', 'web_message.jwt', 'x'];
  const jwtModes = ['query.jwt', 'fragment.jwt', 'form_post.jwt'];
  for (const response_mode of [...modes, ...jwtModes]) {
    const isKnown = listed('response_modes_supported').includes(response_mode);
    // A mode that is known carries the answer in its own way: what matters is the refusal.
    const isRefused = (await authorizeError({ response_mode })) === 'unsupported_response_mode';
    assert.equal(isRefused, !isKnown, response_mode);
  }
});

test('parameters of the request are taken exactly if advertised (OpenID Connect Core 5.5, 6)', async () => {
  const request = await authorizeError({ request: 'not.a.jwt' });
  const hasRequest = metadata.request_parameter_supported === true;
  assert.equal(request, hasRequest ? 'invalid_request_object' : 'request_not_supported');
  const claims = await authorizeError({ claims: 'not json' });
  assert.equal(claims === 'invalid_request', metadata.claims_parameter_supported === true);
  const details = await authorizeError({ authorization_details: '[{"type":"nobody knows"}]' });
  const hasDetails = metadata.authorization_details_types_supported !== undefined;
  assert.equal(details === 'invalid_authorization_details', hasDetails);
  const registration = await authorizeError({ registration: '{}' });
  assert.equal(registration, 'registration_not_supported');
});

test('request_uri is taken exactly if advertised, and that is said although the default is true (Discovery 3)', async () => {
  assert.equal(typeof metadata.request_uri_parameter_supported, 'boolean');
  const error = await authorizeError({ request_uri: 'https://rp.example/request.jwt' });
  const isRefused = error === 'request_uri_not_supported' || error === 'invalid_request_uri';
  assert.ok(isRefused, error);
});

test('every answer of the authorization endpoint names the issuer, as advertised (RFC 9207)', async () => {
  assert.equal(metadata.authorization_response_iss_parameter_supported, true);
  const query = new URLSearchParams({ client_id: client.clientId, response_type: 'code' });
  query.set('redirect_uri', client.redirectUri);
  const { headers } = await getJson(`${url}/authorize?${query}`, { accept: 'text/html' });
  const target = new URL(headers.get('location') ?? '', url);
  assert.equal(target.searchParams.get('iss'), url);
});

test('client authentication methods: each advertised one can be registered, no other can', async () => {
  const methods = [
    ...['none', 'client_secret_basic', 'client_secret_post', 'client_secret_jwt'],
    ...['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth', 'attest_jwt'],
  ];
  const jwks = { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) }] };
  const advertised = listed('token_endpoint_auth_methods_supported');
  for (const method of new Set([...methods, ...advertised])) {
    const registered = await seedClient(world.deps, world.people.tenantId, {
      metadata: {
        token_endpoint_auth_method: method,
        grant_types: ['authorization_code'],
        ...(/private_key|tls/.test(method) ? { jwks } : {}),
        ...(method === 'tls_client_auth' ? { tls_client_auth_subject_dn: 'CN=rp' } : {}),
      },
    }).catch(() => undefined);
    assert.equal(registered !== undefined, advertised.includes(method), method);
  }
});

test('no unsigned token is offered or taken in any place (RFC 8725 3.1)', () => {
  for (const name of Object.keys(metadata)) {
    if (name.endsWith('_alg_values_supported')) assert.ok(!listed(name).includes('none'), name);
  }
});

test('every algorithm that an ID token may be signed with has its key in the JWKS', async () => {
  const { body } = await getJson(`${url}/.well-known/jwks.json`);
  const algs = (body.keys as { alg?: string }[]).map(({ alg }) => alg);
  for (const alg of listed('id_token_signing_alg_values_supported')) {
    assert.ok(/^HS/.test(alg) || algs.includes(alg), alg);
  }
});

test('DPoP is advertised exactly if a bad proof is refused (RFC 9449 5.1)', async () => {
  const { body } = await postForm(
    `${url}/token`,
    { grant_type: 'client_credentials' },
    { ...basic(client), dpop: 'not.a.proof' },
  );
  const isOn = metadata.dpop_signing_alg_values_supported !== undefined;
  assert.equal(body.error === 'invalid_dpop_proof', isOn);
  assert.ok(!listed('dpop_signing_alg_values_supported').some((alg) => /^(HS|none)/.test(alg)));
});

test('the document does not follow a foreign Host header (host header injection)', async () => {
  const port = new URL(url).port;
  const response = await fetch(`http://127.0.0.1:${port}${PATHS[0]}`, {
    headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
  });
  assert.ok(!(await response.text()).includes('evil.example'));
});
