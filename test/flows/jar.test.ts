import assert from 'node:assert/strict';
import { createHash, createSecretKey } from 'node:crypto';
import { test } from 'node:test';
import { CompactEncrypt, importJWK, type JWK, SignJWT, UnsecuredJWT } from 'jose';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { type ClientKeys, createKeys, epoch, signJwt } from '../helpers/keys.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { basic, createWorld, getJson, postForm } from './support.ts';

const world = await createWorld();
const { url, people, deps } = world;
const keys = await createKeys('ES256');
const { email, password } = people.user;

const withKeys = (by: ClientKeys, metadata: Record<string, unknown> = {}) =>
  seedClient(deps, people.tenantId, { metadata: { jwks: by.jwks, ...metadata } });

const client = await withKeys(keys);

/** The claims of a request object that is in order (RFC 9101 4). */
const claimsOf = (of: TestClient, changes: Record<string, unknown> = {}) => ({
  iss: of.clientId,
  aud: url,
  client_id: of.clientId,
  iat: epoch(),
  exp: epoch() + 60,
  response_type: 'code',
  redirect_uri: of.redirectUri,
  scope: 'openid email',
  state: 'signed',
  nonce: 'n-1',
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  code_challenge_method: 'S256',
  ...changes,
});

/** Sends the browser there and tells where it ends: a page of ours or the client. */
const authorize = (of: TestClient, request: string, outside: Record<string, string> = {}) =>
  createUserAgent(url).follow(
    `${url}/authorize?${new URLSearchParams({ client_id: of.clientId, request, ...outside })}`,
  );

/** What a request came to: the sign-in page, or the error that the client or the page was given. */
async function outcomeOf(of: TestClient, request: string, outside: Record<string, string> = {}) {
  const end = await authorize(of, request, outside);
  if (end.url.href.startsWith(`${url}/interaction/`)) return 'sign-in';
  return end.url.searchParams.get('error') ?? /invalid_\w+/.exec(end.html)?.[0] ?? 'no error';
}

for (const alg of ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']) {
  test(`a request object signed by ${alg} is what counts, whatever stands beside it (RFC 9101 6.3)`, async () => {
    const by = await createKeys(alg);
    const signer = await withKeys(by);
    const agent = createUserAgent(url);
    const query = new URLSearchParams({
      client_id: signer.clientId,
      request: await signJwt(by, claimsOf(signer)),
      state: 'unsigned',
      redirect_uri: 'https://evil.example/',
      nonce: 'other',
    });
    const page = await agent.follow(`${url}/authorize?${query}`);
    const end = await agent.submit(page, '/sign-in', { identifier: email, password });
    assert.equal(end.url.origin + end.url.pathname, signer.redirectUri);
    assert.equal(end.url.searchParams.get('state'), 'signed');
    assert.ok(end.url.searchParams.get('code'));
  });
}

const WRONG: [string, Record<string, unknown>][] = [
  ['another client_id', { client_id: 'somebody' }],
  ['another issuer', { iss: 'somebody' }],
  ['no issuer', { iss: undefined }],
  ['another audience', { aud: 'https://elsewhere.example' }],
  ['no audience', { aud: undefined }],
  ['an expiry that is past', { exp: 1_600_000_000 }],
  ['a start that is ahead', { nbf: 4_000_000_000 }],
  ['a request in the request', { request: 'eyJhbGciOiJub25lIn0.e30.' }],
  ['a request_uri in the request', { request_uri: 'https://client.example/r' }],
];

for (const [what, changes] of WRONG) {
  test(`a request object with ${what} is refused (RFC 9101 5, 6.2)`, async () => {
    const request = await signJwt(keys, claimsOf(client, changes));
    assert.equal(await outcomeOf(client, request), 'invalid_request_object');
  });
}

test('outside it, response_type may stand only as it stands inside (OpenID Connect Core 6.1)', async () => {
  const request = await signJwt(keys, claimsOf(client));
  assert.equal(
    await outcomeOf(client, request, { response_type: 'id_token' }),
    'invalid_request_object',
  );
  assert.equal(await outcomeOf(client, request, { response_type: 'code' }), 'sign-in');
});

test('nothing outside the request object fills what is missing in it (RFC 9101 6.3)', async () => {
  const request = await signJwt(keys, claimsOf(client, { code_challenge: undefined }));
  const outside = { code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM' };
  assert.equal(await outcomeOf(client, request, outside), 'invalid_request');
});

test('a request object by another key, tampered with, or by none is refused (RFC 9101 6.2, 10.1)', async () => {
  const other = await createKeys('ES256');
  const forged = await signJwt({ ...other, publicJwk: keys.publicJwk }, claimsOf(client));
  const [header = '', , signature = ''] = (await signJwt(keys, claimsOf(client))).split('.');
  const claims = Buffer.from(JSON.stringify(claimsOf(client, { scope: 'openid phone' })));
  const unsigned = new UnsecuredJWT(claimsOf(client)).encode();
  for (const request of [
    forged,
    `${header}.${claims.toString('base64url')}.${signature}`,
    unsigned,
    'x',
    'a.b.c',
  ]) {
    assert.equal(await outcomeOf(client, request), 'invalid_request_object', request);
  }
});

test('a secret signs no request object, nor does the word that stands for its hash (RFC 8725 3.1)', async () => {
  const plain = await seedClient(deps, people.tenantId);
  for (const secret of [plain.clientSecret, 'kept-as-hash', '']) {
    const key = new TextEncoder().encode(secret || '\0');
    const signed = await new SignJWT(claimsOf(plain))
      .setProtectedHeader({ alg: 'HS256' })
      .sign(key);
    assert.equal(await outcomeOf(plain, signed), 'invalid_request_object', secret);
  }
});

test('nothing is opened by the word that stands for a hashed secret (RFC 9101 10.2)', async () => {
  const plain = await seedClient(deps, people.tenantId);
  const inner = new UnsecuredJWT(claimsOf(plain)).encode();
  for (const alg of ['dir', 'A256KW', 'A128KW']) {
    const size = alg === 'A128KW' ? 16 : 32;
    const secret = createHash('sha256').update('kept-as-hash').digest().subarray(0, size);
    const request = await new CompactEncrypt(new TextEncoder().encode(inner))
      .setProtectedHeader({ alg, enc: 'A256GCM' })
      .encrypt(createSecretKey(secret));
    assert.equal(await outcomeOf(plain, request), 'invalid_request_object', alg);
  }
});

test('a client that registered an algorithm is held to it (OpenID Connect Registration 2)', async () => {
  const held = await withKeys(keys, { request_object_signing_alg: 'PS256' });
  const request = await signJwt(keys, claimsOf(held));
  assert.equal(await outcomeOf(held, request), 'invalid_request_object');
});

test('require_signed_request_object: plain parameters do not pass, here or at PAR (RFC 9101 10.5)', async () => {
  const strict = await withKeys(keys, { require_signed_request_object: true });
  const { iss: _i, aud: _a, iat: _t, exp: _e, ...plain } = claimsOf(strict);
  const query = new URLSearchParams(plain);
  const end = await createUserAgent(url).follow(`${url}/authorize?${query}`);
  assert.equal(end.url.searchParams.get('error'), 'invalid_request');
  const pushed = await postForm(`${url}/par`, plain, basic(strict));
  assert.equal(pushed.status, 400);
  assert.equal(pushed.body.error, 'invalid_request');
  assert.equal(await outcomeOf(strict, await signJwt(keys, claimsOf(strict))), 'sign-in');
});

test('a deployment that offers it takes requests encrypted to its key, signed within (RFC 9101 6.1)', async () => {
  const settings = { REQUEST_OBJECT_ENCRYPTION: 'true' };
  const sealed = await createWorld({ settings });
  const { body: metadata } = await getJson(`${sealed.url}/.well-known/openid-configuration`);
  assert.deepEqual(metadata.request_object_encryption_alg_values_supported, ['ECDH-ES']);
  const { body } = await getJson(`${sealed.url}/.well-known/jwks.json`);
  const jwk = (body.keys as JWK[]).find(({ use }) => use === 'enc');
  assert.ok(jwk && !('d' in jwk));
  const of = await seedClient(sealed.deps, sealed.people.tenantId, {
    metadata: { jwks: keys.jwks },
  });
  const ask = async (inner: string, enc = 'A256GCM') => {
    const request = await new CompactEncrypt(new TextEncoder().encode(inner))
      .setProtectedHeader({ alg: 'ECDH-ES', enc, kid: String(jwk.kid), cty: 'oauth-authz-req+jwt' })
      .encrypt(await importJWK(jwk, 'ECDH-ES'));
    const query = new URLSearchParams({ client_id: of.clientId, request });
    const end = await createUserAgent(sealed.url).follow(`${sealed.url}/authorize?${query}`);
    return end.url.searchParams.get('error') ?? end.url.pathname.split('/')[1];
  };
  const claims = { ...claimsOf(of), aud: sealed.url };
  assert.equal(await ask(await signJwt(keys, claims)), 'interaction');
  assert.equal(await ask(await signJwt(keys, claims), 'A128CBC-HS256'), 'interaction');
  // Encryption says nothing of who wrote it (RFC 9101 10.2).
  const unsigned = new UnsecuredJWT(claims).encode();
  const outcome = await ask(unsigned);
  assert.ok(outcome !== 'interaction', outcome);
});

test('weak algorithms cannot even be registered (RFC 8725 3.1)', async () => {
  for (const alg of ['none', 'HS256', 'RS1']) {
    await assert.rejects(
      withKeys(keys, { request_object_signing_alg: alg }),
      /request_object_signing_alg must be/,
    );
  }
});
