import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as openid from 'openid-client';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { createKeys, epoch, signJwt } from '../helpers/keys.ts';
import { authorizationRequest, signIn } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { createWorld, getJson } from './support.ts';

/**
 * The surface at a glance: what discovery names, and one happy path of each part
 * by openid-client. The files named after each part say what is refused.
 */
const world = await createWorld({
  settings: {
    ALLOWED_RESPONSE_TYPES: 'code id_token',
    AUTHORIZATION_DETAILS_TYPES: 'payment_initiation',
    MTLS_CERTIFICATE_HEADER: 'x-client-cert',
    MTLS_VERIFIED_HEADER: 'x-client-verify',
    TRUSTED_PROXIES: '192.0.2.1',
  },
});
const { url, people, deps } = world;
const keys = await createKeys('ES256');
const key = { key: keys.privateKey, kid: String(keys.publicJwk.kid) };
const encryption = await createKeys('ECDH-ES', 'enc');
const credentials = { identifier: people.user.email, password: people.user.password };
const { body: metadata } = await getJson(`${url}/.well-known/openid-configuration`);

const NAMED: [string, unknown][] = [
  ['pushed_authorization_request_endpoint', `${url}/par`],
  ['request_parameter_supported', true],
  ['claims_parameter_supported', true],
  ['authorization_response_iss_parameter_supported', true],
  ['code_challenge_methods_supported', ['S256']],
  ['tls_client_certificate_bound_access_tokens', true],
  ['authorization_details_types_supported', ['payment_initiation']],
];

const HELD: [string, string[]][] = [
  ['response_types_supported', ['code', 'code id_token']],
  [
    'response_modes_supported',
    ['query', 'fragment', 'form_post', 'jwt', 'query.jwt', 'fragment.jwt', 'form_post.jwt'],
  ],
  [
    'token_endpoint_auth_methods_supported',
    [
      ...['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt'],
      ...['none', 'tls_client_auth', 'self_signed_tls_client_auth'],
    ],
  ],
  ['dpop_signing_alg_values_supported', ['ES256', 'PS256', 'EdDSA', 'Ed25519']],
  ['request_object_signing_alg_values_supported', ['RS256', 'PS256', 'ES256', 'EdDSA']],
  ['authorization_signing_alg_values_supported', ['RS256', 'ES256', 'EdDSA']],
  ['introspection_signing_alg_values_supported', ['RS256', 'ES256', 'EdDSA']],
  ['userinfo_encryption_alg_values_supported', ['RSA-OAEP-256', 'ECDH-ES']],
  ['id_token_encryption_enc_values_supported', ['A256GCM', 'A128CBC-HS256']],
];

for (const [name, value] of NAMED) {
  test(`discovery: ${name}`, () => assert.deepEqual(metadata[name], value));
}

for (const [name, values] of HELD) {
  test(`discovery: ${name} has what the flows below use`, () => {
    for (const value of values) assert.ok((metadata[name] as string[]).includes(value), value);
  });
}

const seed = (changes: Record<string, unknown> = {}, isFirstParty = true) =>
  seedClient(deps, people.tenantId, {
    isFirstParty,
    metadata: {
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [...keys.jwks.keys, ...encryption.jwks.keys] },
      ...changes,
    },
  });

const discover = (of: TestClient) =>
  openid.discovery(new URL(url), of.clientId, undefined, openid.PrivateKeyJwt(key), {
    execute: [openid.allowInsecureRequests],
  });

interface Flow {
  client: TestClient;
  parameters?: Record<string, string>;
  prepare?(configuration: openid.Configuration): void;
  /** The URL to send the browser to, where it is not the plain one. */
  begin?(configuration: openid.Configuration, plain: URLSearchParams): Promise<URL>;
  options?(configuration: openid.Configuration): Promise<openid.DPoPOptions>;
  /** Whether the person is asked for consent. */
  asks?: boolean;
}

/** A sign-in by openid-client, from discovery to userinfo. */
async function run({ client, parameters, prepare, begin, options, asks = false }: Flow) {
  const configuration = await discover(client);
  prepare?.(configuration);
  const plain = await authorizationRequest(configuration, client.redirectUri, parameters);
  const target = (await begin?.(configuration, plain.url.searchParams)) ?? plain.url;
  const agent = createUserAgent(url);
  let redirect: URL;
  if (asks) {
    const page = await agent.submit(await agent.follow(target), '/sign-in', credentials);
    redirect = (await agent.submit(page, '/consent', { decision: 'allow' })).url;
  } else redirect = await signIn(agent, { ...plain, url: target }, credentials);
  const dpop = await options?.(configuration);
  const tokens = await openid.authorizationCodeGrant(
    configuration,
    redirect,
    { pkceCodeVerifier: plain.verifier, expectedState: plain.state, expectedNonce: plain.nonce },
    undefined,
    dpop,
  );
  const sub = tokens.claims()?.sub ?? '';
  const info = await openid.fetchUserInfo(configuration, tokens.access_token, sub, dpop);
  assert.equal(info.email, people.user.email);
  return { configuration, tokens };
}

const withDpop = async (configuration: openid.Configuration) => ({
  DPoP: openid.getDPoPHandle(configuration, await openid.randomDPoPKeyPair()),
});

test('the code flow with PKCE and private_key_jwt', async () => {
  await run({ client: await seed() });
});

test('a pushed request (RFC 9126)', async () => {
  await run({
    client: await seed({ require_pushed_authorization_requests: true }),
    begin: openid.buildAuthorizationUrlWithPAR,
  });
});

test('a signed request (RFC 9101)', async () => {
  await run({
    client: await seed({ require_signed_request_object: true }),
    begin: (configuration, plain) => openid.buildAuthorizationUrlWithJAR(configuration, plain, key),
  });
});

test('a signed and encrypted answer (JARM)', async () => {
  await run({
    client: await seed({
      authorization_signed_response_alg: 'ES256',
      authorization_encrypted_response_alg: 'ECDH-ES',
      authorization_encrypted_response_enc: 'A256GCM',
    }),
    prepare(configuration) {
      openid.useJwtResponseMode(configuration);
      openid.enableDecryptingResponses(configuration, ['A256GCM'], {
        key: encryption.privateKey,
        alg: 'ECDH-ES',
        kid: String(encryption.publicJwk.kid),
      });
    },
  });
});

test('tokens bound by DPoP (RFC 9449)', async () => {
  const { tokens } = await run({
    client: await seed({ dpop_bound_access_tokens: true }),
    options: withDpop,
  });
  assert.equal(tokens.token_type, 'dpop');
});

test('the FAPI 2.0 profile', async () => {
  await run({
    client: await seed({
      profile: 'fapi2',
      dpop_bound_access_tokens: true,
      id_token_signed_response_alg: 'ES256',
    }),
    begin: openid.buildAuthorizationUrlWithPAR,
    options: withDpop,
  });
});

test('rich authorization requests (RFC 9396)', async () => {
  const details = [{ type: 'payment_initiation', actions: ['initiate'] }];
  const { tokens } = await run({
    client: await seed({ authorization_details_types: ['payment_initiation'] }, false),
    parameters: { authorization_details: JSON.stringify(details) },
    asks: true,
  });
  assert.deepEqual(tokens.authorization_details, details);
});

test('encrypted ID token and userinfo, and introspection as a JWT (RFC 9701)', async () => {
  const { configuration, tokens } = await run({
    client: await seed({
      id_token_encrypted_response_alg: 'ECDH-ES',
      id_token_encrypted_response_enc: 'A256GCM',
      userinfo_signed_response_alg: 'ES256',
      userinfo_encrypted_response_alg: 'ECDH-ES',
      userinfo_encrypted_response_enc: 'A256GCM',
      introspection_signed_response_alg: 'EdDSA',
    }),
    prepare: (configuration) =>
      openid.enableDecryptingResponses(configuration, ['A256GCM'], {
        key: encryption.privateKey,
        alg: 'ECDH-ES',
        kid: String(encryption.publicJwk.kid),
      }),
  });
  const claims = await openid.tokenIntrospection(configuration, tokens.access_token);
  assert.equal(claims.active, true);
});

test('a request that asks for claims one by one (Core 5.5)', async () => {
  await run({
    client: await seed(),
    parameters: { scope: 'openid', claims: '{"userinfo":{"email":null}}' },
  });
});

test('what is signed for a client is verified by the JWKS alone', async () => {
  const { tokens } = await run({ client: await seed() });
  const jwks = createRemoteJWKSet(new URL(String(metadata.jwks_uri)));
  const { payload } = await jwtVerify(tokens.access_token, jwks, {
    issuer: url,
    typ: 'at+jwt',
    audience: `${url}/api`,
  });
  assert.equal(payload.sub, people.user.id);
});

test('a request that lies about its client is refused before anybody is asked (RFC 9101 5)', async () => {
  const client = await seed();
  const claims = { iss: 'somebody', aud: url, client_id: client.clientId, exp: epoch() + 60 };
  const request = await signJwt(keys, claims);
  const query = new URLSearchParams({ client_id: client.clientId, request });
  const end = await createUserAgent(url).follow(`${url}/authorize?${query}`);
  assert.match(end.url.href + end.html, /invalid_request_object/);
});
