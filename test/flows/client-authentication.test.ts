import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { assertionOf, createKeys, epoch } from '../helpers/keys.ts';
import { type Answer, basic, createWorld, postForm, randomText } from './support.ts';

const world = await createWorld();
const { url, client, people, deps } = world;

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const GRANT = { grant_type: 'client_credentials' };
const keys = await generateKeyPair('ES256', { extractable: true });
const otherKeys = await generateKeyPair('ES256');
const publicJwk = { ...(await exportJWK(keys.publicKey)), kid: 'a' };
const asymmetric = await seedClient(deps, people.tenantId, {
  metadata: {
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    jwks: { keys: [{ ...(await exportJWK(keys.publicKey)), alg: 'ES256', use: 'sig', kid: 'a' }] },
  },
});

interface Assertion {
  key?: CryptoKey;
  audience?: string;
  issuer?: string;
  jti?: string | null;
  expires?: number;
}

async function sign(changes: Assertion = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const jwt = new SignJWT()
    .setProtectedHeader({ alg: 'ES256', kid: 'a' })
    .setIssuer(changes.issuer ?? asymmetric.clientId)
    .setSubject(asymmetric.clientId)
    .setAudience(changes.audience ?? url)
    .setIssuedAt(now)
    .setExpirationTime(now + (changes.expires ?? 60));
  if (changes.jti !== null) jwt.setJti(changes.jti ?? randomText());
  return jwt.sign(changes.key ?? keys.privateKey);
}

const withAssertion = async (assertion: string): Promise<Answer> =>
  postForm(`${url}/token`, {
    ...GRANT,
    client_assertion_type: TYPE,
    client_assertion: assertion,
  });

function assertRefused({ status, body }: Answer): void {
  assert.ok(status === 400 || status === 401, String(status));
  assert.match(String(body.error), /^invalid_(client|request)$/);
  assert.equal(body.access_token, undefined);
}

test('client_secret_basic and client_secret_post open the door with the right secret', async () => {
  assert.equal((await postForm(`${url}/token`, GRANT, basic(client))).status, 200);
  const inBody = { ...GRANT, client_id: client.clientId, client_secret: client.clientSecret };
  assert.equal((await postForm(`${url}/token`, inBody)).status, 200);
});

test('a wrong, truncated, extended or empty secret does not', async () => {
  const { clientSecret } = client;
  const wrong = ['x', clientSecret.slice(0, -1), `${clientSecret}x`, clientSecret.toUpperCase()];
  for (const secret of [...wrong, 'kept-as-hash', '']) {
    const credentials = basic({ clientId: client.clientId, clientSecret: secret });
    assertRefused(await postForm(`${url}/token`, GRANT, credentials));
    const inBody = { ...GRANT, client_id: client.clientId, client_secret: secret };
    assertRefused(await postForm(`${url}/token`, inBody));
  }
});

test('an unknown client is answered like a wrong secret (RFC 6749 5.2)', async () => {
  const unknown = await postForm(`${url}/token`, GRANT, basic({ ...client, clientId: 'nobody' }));
  const wrong = await postForm(`${url}/token`, GRANT, basic({ ...client, clientSecret: 'wrong' }));
  assert.equal(unknown.status, 401);
  assert.deepEqual(unknown.body, wrong.body);
  assert.match(unknown.headers.get('www-authenticate') ?? '', /^Basic /);
});

test('two ways at once are refused (RFC 6749 2.3)', async () => {
  const both = { ...GRANT, client_id: client.clientId, client_secret: client.clientSecret };
  assertRefused(await postForm(`${url}/token`, both, basic(client)));
});

test('a confidential client cannot pass for a public one', async () => {
  assertRefused(await postForm(`${url}/token`, { ...GRANT, client_id: client.clientId }));
});

test('a public client gets nothing by client_credentials and no help from a secret', async () => {
  const open = await seedClient(deps, people.tenantId, {
    metadata: { token_endpoint_auth_method: 'none', grant_types: ['authorization_code'] },
  });
  const named = { ...GRANT, client_id: open.clientId };
  assertRefused(await postForm(`${url}/token`, named));
  assertRefused(await postForm(`${url}/token`, { ...named, client_secret: 'anything' }));
});

test('private_key_jwt opens the door, once per assertion (RFC 9700 2.5)', async () => {
  const assertion = await sign();
  const first = await withAssertion(assertion);
  assert.equal(first.status, 200, JSON.stringify(first.body));
  assertRefused(await withAssertion(assertion));
});

test('of parallel uses of one assertion one succeeds', async () => {
  const assertion = await sign();
  const answers = await Promise.all(Array.from({ length: 20 }, () => withAssertion(assertion)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  assert.ok(answers.every(({ status }) => status < 500));
});

test('an assertion by another key, for another audience, or of another client is refused', async () => {
  for (const changes of [
    { key: otherKeys.privateKey },
    { audience: 'https://elsewhere.example' },
    { issuer: client.clientId },
    { jti: null },
    { expires: -120 },
  ] satisfies Assertion[]) {
    assertRefused(await withAssertion(await sign(changes)));
  }
});

test('an assertion that lives for years is refused, so that its replay record is bounded (CVE-2025-2559)', async () => {
  assertRefused(await withAssertion(await sign({ expires: 10 * 365 * 24 * 3_600 })));
});

test('a client of private_key_jwt has no secret that would do', async () => {
  for (const secret of ['', 'kept-as-hash', 'undefined']) {
    assertRefused(
      await postForm(`${url}/token`, GRANT, basic({ ...asymmetric, clientSecret: secret })),
    );
  }
});

test('a secret is kept as a hash only, and never shown again (ASVS 11.4.2)', async () => {
  const row = await deps.postgres
    .knex('clients')
    .where({ client_id: client.clientId })
    .first(deps.postgres.knex.raw('clients::text AS text'), 'secret_hash', 'secret_sealed');
  assert.ok(!row.text.includes(client.clientSecret));
  assert.equal(row.secret_hash.length, 32);
  assert.equal(row.secret_sealed, null);
  const listed = JSON.stringify(await deps.clients.list(people.tenantId));
  assert.ok(!listed.includes(client.clientSecret));
});

test('client_secret_jwt needs the clear secret: sealed, not readable in the table', async () => {
  const sealed: TestClient = await seedClient(deps, people.tenantId, {
    metadata: { token_endpoint_auth_method: 'client_secret_jwt' },
  });
  const row = await deps.postgres
    .knex('clients')
    .where({ client_id: sealed.clientId })
    .first(deps.postgres.knex.raw('clients::text AS text'));
  assert.ok(!row.text.includes(sealed.clientSecret));
  const now = Math.floor(Date.now() / 1000);
  const assertion = await new SignJWT()
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(sealed.clientId)
    .setSubject(sealed.clientId)
    .setAudience(url)
    .setJti(randomText())
    .setIssuedAt(now)
    .setExpirationTime(now + 60)
    .sign(new TextEncoder().encode(sealed.clientSecret));
  const answer = await withAssertion(assertion);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
});

const METADATA_OF: [method: string, metadata: Record<string, unknown>][] = [
  ['client_secret_basic', {}],
  ['client_secret_post', { token_endpoint_auth_method: 'client_secret_post' }],
  ['client_secret_jwt', { token_endpoint_auth_method: 'client_secret_jwt' }],
  [
    'private_key_jwt',
    {
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [publicJwk] },
    },
  ],
  ['none', { token_endpoint_auth_method: 'none', grant_types: ['authorization_code'] }],
];

/** One try of each kind, as the client `of`, with a secret or key that would be right for its kind. */
async function tries(of: TestClient): Promise<Record<string, Answer>> {
  const named = { ...GRANT, client_id: of.clientId };
  const secret = of.clientSecret || 'a secret that the client does not have';
  const claims = { iss: of.clientId, sub: of.clientId, aud: url, jti: '', exp: 0 };
  const assertion = (alg: string, key: CryptoKey | Uint8Array) =>
    new SignJWT({ ...claims, jti: randomText(), exp: Math.floor(Date.now() / 1000) + 60 })
      .setProtectedHeader({ alg, ...(alg === 'ES256' ? { kid: 'a' } : {}) })
      .sign(key);
  const hmac = await assertion('HS256', new TextEncoder().encode(secret));
  return {
    secret: await postForm(`${url}/token`, GRANT, basic({ ...of, clientSecret: secret })),
    client_secret_jwt: await withAssertion(hmac),
    private_key_jwt: await withAssertion(await assertion('ES256', keys.privateKey)),
    none: await postForm(`${url}/token`, named),
  };
}

for (const [method, metadata] of METADATA_OF) {
  test(`a client of ${method} is refused by every other method (RFC 7591 2, ASVS 10.4.10)`, async () => {
    const of = await seedClient(deps, people.tenantId, { metadata });
    const own = method.startsWith('client_secret_') && method !== 'client_secret_jwt';
    for (const [tried, { status, body }] of Object.entries(await tries(of))) {
      if (tried === method || (own && tried === 'secret')) {
        // A public client is known by its name, and has no grant of its own.
        if (method === 'none') assert.equal(body.error, 'invalid_request');
        else assert.equal(status, 200, `${tried}: ${JSON.stringify(body)}`);
      } else {
        assert.equal(status, 401, tried);
        assert.equal(body.error, 'invalid_client', tried);
      }
    }
  });
}

for (const alg of ['RS256', 'PS256', 'PS384', 'ES256', 'ES384', 'ES512', 'EdDSA']) {
  test(`private_key_jwt by ${alg} opens the door; registered for another algorithm it does not (RFC 7523 3)`, async () => {
    const by = await createKeys(alg);
    const seed = (more: Record<string, unknown> = {}) =>
      seedClient(deps, people.tenantId, {
        metadata: { token_endpoint_auth_method: 'private_key_jwt', jwks: by.jwks, ...more },
      });
    const of = await seed();
    const assertion = await assertionOf(by, of.clientId, url);
    assert.equal((await postForm(`${url}/token`, { ...GRANT, ...assertion })).status, 200);
    const held = await seed({
      token_endpoint_auth_signing_alg: alg === 'ES256' ? 'PS256' : 'ES256',
    });
    const other = await assertionOf(by, held.clientId, url);
    const { status, body } = await postForm(`${url}/token`, { ...GRANT, ...other });
    assert.equal(status, 401);
    assert.equal(body.error, 'invalid_client');
  });
}

test('an assertion is for the issuer, the token endpoint or the endpoint that it is sent to (RFC 7523 3)', async () => {
  const by = await createKeys('ES256');
  const of = await seedClient(deps, people.tenantId, {
    metadata: { token_endpoint_auth_method: 'private_key_jwt', jwks: by.jwks },
  });
  const introspect = async (audience: string) =>
    postForm(`${url}/introspect`, {
      token: 'x',
      ...(await assertionOf(by, of.clientId, audience)),
    });
  for (const audience of [url, `${url}/token`, `${url}/introspect`]) {
    assert.equal((await introspect(audience)).status, 200, audience);
  }
  for (const audience of [`${url}/revoke`, `${url}/`, 'https://elsewhere.example', '']) {
    const { status, body } = await introspect(audience);
    assert.equal(status, 401, audience);
    assert.equal(body.error, 'invalid_client');
  }
});

const LATER: [string, Record<string, unknown>][] = [
  ['no expiry', { exp: undefined }],
  ['an expiry in ten minutes', { exp: epoch() + 600 }],
  ['an expiry that is past', { exp: epoch() - 60 }],
  ['a start that is ahead', { nbf: epoch() + 120 }],
  ['an issue that is ahead', { iat: epoch() + 120 }],
  ['no jti', { jti: undefined }],
  ['another subject', { sub: 'somebody' }],
  ['another issuer', { iss: 'somebody' }],
  ['no audience', { aud: undefined }],
];

for (const [what, changes] of LATER) {
  test(`an assertion with ${what} is refused with invalid_client (RFC 7523 3, 3.2)`, async () => {
    const by = await createKeys('ES256');
    const of = await seedClient(deps, people.tenantId, {
      metadata: { token_endpoint_auth_method: 'private_key_jwt', jwks: by.jwks },
    });
    const assertion = await assertionOf(by, of.clientId, url, changes);
    const { status, body } = await postForm(`${url}/token`, { ...GRANT, ...assertion });
    assert.equal(status, 401, JSON.stringify(body));
    assert.equal(body.error, 'invalid_client');
  });
}
