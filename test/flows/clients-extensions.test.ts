import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AppError } from '../../src/kernel/errors.ts';
import { extraClientMetadata, findOperatorOnly } from '../../src/oidc/clients/extensions.ts';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { createKeys } from '../helpers/keys.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { basic, createWorld, postForm, signInForTokens } from './support.ts';

const world = await createWorld();
const { url, deps, people, config } = world;

const create = (metadata: Record<string, unknown>) =>
  seedClient(deps, people.tenantId, { metadata });

const PUBLIC = { token_endpoint_auth_method: 'none', grant_types: ['authorization_code'] };

test('metadata of ours are validated by the engine, and its error names the member (RFC 7591 3.2.2)', async () => {
  const wrong: [string, unknown, Record<string, unknown>?][] = [
    ['access_token_ttl', 29],
    ['access_token_ttl', 86_401],
    ['access_token_ttl', '900'],
    ['access_token_ttl', 60.5],
    ['id_token_ttl', 0],
    ['id_token_ttl', null],
    ['refresh_token_ttl', -1],
    ['refresh_token_ttl', 90 * 86_400 + 1],
    ['refresh_token_reuse_grace', 61],
    ['refresh_token_reuse_grace', -1],
    ['access_token_signed_response_alg', 'HS256'],
    ['access_token_signed_response_alg', 'none'],
    ['access_token_signed_response_alg', ['RS256']],
    ['require_pkce', 'false'],
    ['require_pkce', false, PUBLIC],
    ['require_pkce', false, { profile: 'fapi2' }],
    ['profile', 'fapi1'],
    ['may_impersonate', 'yes'],
  ];
  for (const [name, value, more] of wrong) {
    await assert.rejects(create({ ...more, [name]: value }), (error: AppError) => {
      assert.equal(error.code, 'IDENT_VALIDATION');
      assert.equal(error.options.errors?.[0]?.path, `metadata.${name}`, String(value));
      return true;
    });
  }
});

test('every member of ours has a value that is kept', async () => {
  const metadata = {
    access_token_ttl: 30,
    id_token_ttl: 86_400,
    refresh_token_ttl: 90 * 86_400,
    refresh_token_reuse_grace: 60,
    access_token_signed_response_alg: 'ES256',
    require_pkce: true,
    profile: 'fapi2',
    may_impersonate: true,
    request_uris: ['https://app.example/request.jwt'],
  };
  assert.deepEqual(
    extraClientMetadata.properties.filter((name) => !(name in metadata)),
    [],
  );
  // What the profile asks of its clients besides.
  const fapi = {
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: (await createKeys('ES256')).jwks,
    dpop_bound_access_tokens: true,
    id_token_signed_response_alg: 'ES256',
  };
  const { clientId } = await create({ ...fapi, ...metadata });
  const { provider } = deps.engine.current();
  const effective = (await provider.Client.find(clientId))?.metadata() as Record<string, unknown>;
  for (const [name, value] of Object.entries(metadata))
    assert.deepEqual(effective[name], value, name);
});

test('what weakens a client, or outlasts the deployment, is for operators (ASVS 10.4.7)', () => {
  const metadata = {
    access_token_ttl: config.ACCESS_TOKEN_TTL + 1,
    id_token_ttl: config.ID_TOKEN_TTL + 1,
    refresh_token_ttl: config.REFRESH_TOKEN_TTL + 1,
    refresh_token_reuse_grace: 1,
    require_pkce: false,
    may_impersonate: true,
  };
  assert.deepEqual(findOperatorOnly(metadata, config), Object.keys(metadata));
  const harmless = {
    access_token_ttl: config.ACCESS_TOKEN_TTL,
    refresh_token_reuse_grace: 0,
    access_token_signed_response_alg: 'ES256',
    require_pkce: true,
    profile: 'fapi2',
    may_impersonate: false,
  };
  assert.deepEqual(findOperatorOnly(harmless, config), []);
  assert.deepEqual(findOperatorOnly({}, config), []);
});

/** The code of an authorization without PKCE, by a browser that is signed in. */
async function codeWithoutPkce(client: TestClient): Promise<URL> {
  const { agent } = await signInForTokens(world);
  const target = new URL(`${url}/authorize`);
  target.search = new URLSearchParams({
    client_id: client.clientId,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: 'openid',
    nonce: 'a-nonce',
  }).toString();
  return (await agent.follow(target)).url;
}

test('a confidential client may opt out of PKCE; every other must use it (RFC 9700 2.1.1)', async () => {
  const legacy = await create({ require_pkce: false });
  const redirect = await codeWithoutPkce(legacy);
  const form = {
    grant_type: 'authorization_code',
    code: redirect.searchParams.get('code') ?? '',
    redirect_uri: legacy.redirectUri,
  };
  const tokens = await postForm(`${url}/token`, form, basic(legacy));
  assert.equal(tokens.status, 200);

  const refused = await codeWithoutPkce(await create({ require_pkce: true }));
  assert.equal(refused.searchParams.get('error'), 'invalid_request');
});

test('a client that opted out gains nothing by a verifier without a challenge (RFC 9700 4.8)', async () => {
  const legacy = await create({ require_pkce: false });
  const redirect = await codeWithoutPkce(legacy);
  const answer = await postForm(
    `${url}/token`,
    {
      grant_type: 'authorization_code',
      code: redirect.searchParams.get('code') ?? '',
      redirect_uri: legacy.redirectUri,
      code_verifier: 'v'.repeat(43),
    },
    basic(legacy),
  );
  assert.equal(answer.status, 400);
  assert.equal(answer.body.error, 'invalid_grant');
});

test('a client that opted out may still not use the method plain', async () => {
  const legacy = await create({ require_pkce: false });
  const target = new URL(`${url}/authorize`);
  target.search = new URLSearchParams({
    client_id: legacy.clientId,
    redirect_uri: legacy.redirectUri,
    response_type: 'code',
    scope: 'openid',
    code_challenge: 'v'.repeat(43),
    code_challenge_method: 'plain',
  }).toString();
  const response = await createUserAgent(url).fetch(target);
  const redirect = new URL(response.headers.get('location') ?? '', url);
  assert.equal(redirect.searchParams.get('error'), 'invalid_request');
});
