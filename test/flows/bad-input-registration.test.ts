import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../helpers/fast-check.ts';
import { testNoErrorLogged } from './bad-input-support.ts';
import { assertOAuthError, assertSound, oddAuthorizations, oddValue, send } from './raw-http.ts';
import { createWorld } from './support.ts';

/** Anything at all for a registration, by somebody who may register (RFC 7591 3). */
const world = await createWorld({
  settings: { DYNAMIC_REGISTRATION: 'token', TRUSTED_PROXIES: '127.0.0.1' },
});
const { url, deps, people } = world;
const { token } = await deps.initialAccessTokens.create({
  tenantId: people.tenantId,
  maxUses: 5_000,
});

let addresses = 0;

/** Each request from an address of its own: the limit of one address is not the matter here. */
function headers(more: Record<string, string> = {}): Record<string, string> {
  addresses += 1;
  return {
    accept: 'application/json',
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'x-forwarded-for': `198.51.${addresses >> 8}.${addresses & 255}`,
    ...more,
  };
}

const post = (body: string | Buffer, more: Record<string, string> = {}) =>
  send(url, { method: 'POST', path: '/register', headers: headers(more), body });

const GOOD = { redirect_uris: ['https://app.example/callback'] };

const MEMBERS = [
  ...['redirect_uris', 'grant_types', 'response_types', 'token_endpoint_auth_method', 'scope'],
  ...['client_name', 'client_uri', 'logo_uri', 'policy_uri', 'tos_uri', 'contacts', 'jwks'],
  ...['jwks_uri', 'request_uris', 'sector_identifier_uri', 'subject_type', 'default_max_age'],
  ...['require_auth_time', 'default_acr_values', 'initiate_login_uri', 'application_type'],
  ...['id_token_signed_response_alg', 'userinfo_signed_response_alg', 'profile', 'require_pkce'],
  ...['backchannel_logout_uri', 'backchannel_logout_session_required', 'dpop_bound_access_tokens'],
  ...['post_logout_redirect_uris', 'access_token_ttl', 'client_id', 'client_secret', 'software_id'],
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'client_name#vi', ''],
];

/** Values of every type of JSON, some deep, some wide. */
const oddJson: fc.Arbitrary<unknown> = fc.oneof(
  oddValue,
  fc.constantFrom<unknown>(null, true, false, 0, -1, 1e308, [], {}, [[]], [null], [{}], ['', '']),
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(
    Array.from({ length: 500 }, () => 'https://app.example/callback'),
    Array.from({ length: 60 }).reduce((inner) => [inner], 'deep' as unknown),
    { keys: [{ kty: 'RSA' }] },
    { keys: 'x' },
    ['javascript:alert(1)', 'data:text/html,x', 'https://[::1', 'http://\u0000'],
    ['https://app.example/\ud800'],
  ),
);

/** JSON with a member of any name: `__proto__` too, which an object literal would swallow. */
const withMember = (name: string, value: unknown): string =>
  `${JSON.stringify(GOOD).slice(0, -1)},${JSON.stringify(name)}:${JSON.stringify(value) ?? 'null'}}`;

test('a registration with any member of any type is registered or refused by name (RFC 7591 3.2.2)', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...MEMBERS), oddJson, async (name, value) => {
      const answer = await post(withMember(name, value));
      assertOAuthError(answer, [name, value]);
      if (answer.status === 201) return;
      assert.equal(answer.status, 400, `${name}: ${answer.status}`);
      assert.match(
        JSON.parse(answer.body).error,
        /^invalid_(redirect_uri|client_metadata|request)$/,
        answer.body,
      );
    }),
    { numRuns: 150 },
  );
});

test('a body that is no JSON object is invalid_request or invalid_client_metadata', async () => {
  const bodies: (string | Buffer)[] = [
    ...['', '{', 'null', 'true', '1', '"x"', '[]', '[{}]', '{"redirect_uris":', 'a=1&b=2'],
    ...['{"a":1,}', "{'a':1}", '{"redirect_uris":["https://app.example/"]}x', '\ufeff{}', '\u0000'],
    Buffer.from([0xff, 0xfe, 0x7b, 0x7d]),
    '['.repeat(20_000),
    `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`,
  ];
  for (const body of bodies) {
    const about = String(body).slice(0, 40);
    const answer = await post(body);
    assertOAuthError(answer, about);
    assert.ok(answer.status === 400 || answer.status === 413, `${about}: ${answer.status}`);
  }
});

test('a body of another type, or one without end, is refused', async () => {
  for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'application/xml', 'x']) {
    const answer = await post(JSON.stringify(GOOD), { 'content-type': type });
    assertOAuthError(answer, type);
    assert.ok(answer.status >= 400, type);
  }
  const large = await post(`{"client_name":"${'x'.repeat(200_000)}"}`).catch(
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  );
  // A server that has answered may cut the connection while the client still writes.
  if (typeof large === 'string') return assert.match(large, /^(EPIPE|ECONNRESET)$/);
  assertOAuthError(large, 'large');
  assert.ok(large.status === 400 || large.status === 413);
});

test('members that say who may do what are not taken from the body (CVE-2024-52289)', async () => {
  for (const name of ['__proto__', 'constructor', 'isFirstParty', 'tenant_id', 'tenantId']) {
    const answer = await post(withMember(name, { isFirstParty: true, polluted: true }));
    assertOAuthError(answer, name);
  }
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

test('malformed credentials register nothing (GHSA-gv94-wp4h-vv8p)', async () => {
  for (const authorization of oddAuthorizations) {
    const answer = await post(JSON.stringify(GOOD), {
      authorization: Buffer.from(authorization, 'utf8').toString('latin1'),
    });
    assertOAuthError(answer, authorization);
    assert.ok(answer.status >= 400 && answer.status < 500, `${authorization}: ${answer.status}`);
  }
});

test('paths and methods of a registration that there is not are refused', async () => {
  const targets = [
    '/register/x',
    '/register/%00',
    '/register/__proto__',
    `/register/${'x'.repeat(500)}`,
  ];
  for (const path of [...targets, '/register/x/y']) {
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'POST']) {
      const body = method === 'GET' || method === 'DELETE' ? {} : { body: JSON.stringify(GOOD) };
      const answer = await send(url, { method, path, headers: headers(), ...body });
      assertSound(answer, [method, path]);
      assert.ok(answer.status >= 400, `${method} ${path}: ${answer.status}`);
    }
  }
});

test('a foreign Host registers nothing (host header injection)', async () => {
  const answer = await post(JSON.stringify(GOOD), { host: 'evil.example' });
  assert.equal(answer.status, 421);
});

testNoErrorLogged(world);
