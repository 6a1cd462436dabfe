import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calculateJwkThumbprint } from 'jose';
import { calculatePKCECodeChallenge, randomPKCECodeVerifier } from 'openid-client';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { assertionOf, createKeys, dpopProof, epoch, type Proof } from '../helpers/keys.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { verifyIdToken } from './conformance-support.ts';
import { createWorld, getJson, postForm, randomText } from './support.ts';

/** Modules of the FAPI 2.0 security profile plan that vary a flow; docs/conformance.md lists them. */
const world = await createWorld();
const { url, people, deps } = world;
const TOKEN = `${url}/token`;
const PAR = `${url}/par`;
const USERINFO = `${url}/userinfo`;
const keys = await createKeys('ES256');
const otherKeys = await createKeys('ES256');

const seed = (by = keys): Promise<TestClient> =>
  seedClient(deps, people.tenantId, {
    metadata: {
      profile: 'fapi2',
      token_endpoint_auth_method: 'private_key_jwt',
      dpop_bound_access_tokens: true,
      id_token_signed_response_alg: 'ES256',
      jwks: by.jwks,
    },
  });
const [client, other] = await Promise.all([seed(), seed(otherKeys)]);

const verifier = randomPKCECodeVerifier();
const code_challenge = await calculatePKCECodeChallenge(verifier);

/** A nonce of the server (RFC 9449 8), which a proof for it must carry. */
async function freshNonce(): Promise<string> {
  const { headers } = await postForm(
    TOKEN,
    { grant_type: 'client_credentials', ...(await assertionOf(keys, client.clientId, url)) },
    { dpop: await dpopProof(keys, { method: 'POST', url: TOKEN }) },
  );
  return headers.get('dpop-nonce') ?? '';
}

const proofFor = async (endpoint: string, more: Partial<Proof> = {}, by = keys) =>
  dpopProof(by, { method: 'POST', url: endpoint, nonce: await freshNonce(), ...more });

/** Pushes a request of the client; parameters that are undefined are left out. */
async function push(
  changes: Record<string, string | undefined> = {},
  headers: Record<string, string> = {},
) {
  const all: Record<string, string | undefined> = {
    client_id: client.clientId,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: 'openid profile',
    state: randomText(16),
    nonce: randomText(16),
    code_challenge,
    code_challenge_method: 'S256',
    ...changes,
  };
  const given = Object.entries(all).filter((one): one is [string, string] => one[1] !== undefined);
  const form = { ...Object.fromEntries(given), ...(await assertionOf(keys, client.clientId, url)) };
  return postForm(PAR, form, headers);
}

const agent = createUserAgent(url);

async function openRequest(requestUri: unknown, browser = agent) {
  const query = new URLSearchParams({
    client_id: client.clientId,
    request_uri: String(requestUri),
  });
  return browser.follow(`/authorize?${query}`);
}

/** What the browser brings back for a pushed request; the person signs in where asked. */
async function authorize(requestUri: unknown, browser = agent): Promise<URLSearchParams> {
  let page = await openRequest(requestUri, browser);
  if (page.html.includes('/sign-in"')) {
    const { email: identifier, password } = people.user;
    page = await browser.submit(page, '/sign-in', { identifier, password });
  }
  return page.url.searchParams;
}

interface Redemption {
  /** Form fields beside the code, or in place of ours. */
  form?: Record<string, string | undefined>;
  proof?: Partial<Proof> | undefined;
  by?: typeof keys;
}

async function redeem(code: string | null, { form = {}, proof = {}, by = keys }: Redemption = {}) {
  const all: Record<string, string | undefined> = {
    grant_type: 'authorization_code',
    code: code ?? '',
    redirect_uri: client.redirectUri,
    code_verifier: verifier,
    ...(await assertionOf(keys, client.clientId, url)),
    ...form,
  };
  const given = Object.entries(all).filter((one): one is [string, string] => one[1] !== undefined);
  return postForm(TOKEN, Object.fromEntries(given), { dpop: await proofFor(TOKEN, proof, by) });
}

async function obtainCode(changes: Record<string, string | undefined> = {}) {
  const { status, body } = await push(changes);
  assert.equal(status, 201, JSON.stringify(body));
  const answer = await authorize(body.request_uri);
  assert.equal(answer.get('error'), null);
  return answer;
}

const userinfo = async (accessToken: string, scheme = 'DPoP', more: Partial<Proof> = {}) =>
  getJson(USERINFO, {
    authorization: `${scheme} ${accessToken}`,
    dpop: await proofFor(USERINFO, { method: 'GET', accessToken, ...more }),
  });

const VARIANTS: [string, Record<string, string | undefined>][] = [
  ['without state', { state: undefined }],
  ['without nonce', { nonce: undefined }],
  ['with a nonce of 64 characters', { nonce: 'n'.repeat(64) }],
  ['with a nonce of 384 characters', { nonce: 'n'.repeat(384) }],
  ['with a state of 384 characters', { state: 's'.repeat(384) }],
  ['with the scopes in another order', { scope: 'profile openid' }],
];

for (const [what, changes] of VARIANTS) {
  test(`a request ${what} succeeds, and what it held comes back unharmed (FAPI 2.0 5.3.2.2)`, async () => {
    const answer = await obtainCode(changes);
    if ('state' in changes) assert.equal(answer.get('state'), changes.state ?? null);
    const { status, body } = await redeem(answer.get('code'));
    assert.equal(status, 200, JSON.stringify(body));
    const { payload } = await verifyIdToken(world, client, body.id_token);
    if ('nonce' in changes) assert.equal(payload.nonce, changes.nonce);
    assert.equal(payload.s_hash, undefined);
  });
}

test('a person who cancels sends access_denied back (RFC 6749 4.1.2.1)', async () => {
  const { body } = await push();
  const stranger = createUserAgent(url);
  const page = await openRequest(body.request_uri, stranger);
  const end = await stranger.submit(page, '/abort', {});
  assert.equal(end.url.searchParams.get('error'), 'access_denied');
});

test('the scheme of a token is read in any case (RFC 9110 11.1)', async () => {
  const answer = await obtainCode();
  const { body } = await redeem(answer.get('code'));
  for (const scheme of ['DPoP', 'dpop', 'DPOP']) {
    assert.equal((await userinfo(String(body.access_token), scheme)).status, 200, scheme);
  }
});

test('a proof may carry nbf and exp, and may be 10 seconds early or late (RFC 9449 11.1)', async () => {
  const times = [
    { nbf: epoch() - 10, exp: epoch() + 60 },
    { iat: epoch() - 10 },
    { iat: epoch() + 10 },
  ];
  for (const claims of times) {
    const pushed = await push({}, { dpop: await proofFor(PAR, { claims }) });
    assert.equal(pushed.status, 201, JSON.stringify([claims, pushed.body]));
    const answer = await authorize(pushed.body.request_uri);
    const { status, body } = await redeem(answer.get('code'), { proof: { claims } });
    assert.equal(status, 200, JSON.stringify([claims, body]));
    assert.equal((await userinfo(String(body.access_token), 'DPoP', { claims })).status, 200);
  }
});

test('dpop_jkt and a proof at /par bind the code to one key, which must be the same everywhere (RFC 9449 10)', async () => {
  const dpop_jkt = await calculateJwkThumbprint(keys.publicJwk);
  const bound = await obtainCode({ dpop_jkt });
  assert.equal((await redeem(bound.get('code'))).status, 200);
  const foreign = await obtainCode({ dpop_jkt });
  assert.equal((await redeem(foreign.get('code'), { by: otherKeys })).body.error, 'invalid_grant');

  const proven = await push({}, { dpop: await proofFor(PAR) });
  const answer = await authorize(proven.body.request_uri);
  assert.equal((await redeem(answer.get('code'))).status, 200);
  const again = await push({}, { dpop: await proofFor(PAR) });
  const second = await authorize(again.body.request_uri);
  assert.equal((await redeem(second.get('code'), { by: otherKeys })).body.error, 'invalid_grant');

  const mismatch = await push({ dpop_jkt }, { dpop: await proofFor(PAR, {}, otherKeys) });
  assert.deepEqual([mismatch.status, mismatch.body.error], [400, 'invalid_request']);
});

test('a code is of no use without its verifier or with another (RFC 7636 4.6)', async () => {
  for (const code_verifier of [undefined, randomPKCECodeVerifier()]) {
    const answer = await obtainCode();
    const { status, body } = await redeem(answer.get('code'), { form: { code_verifier } });
    assert.deepEqual([status, body.error], [400, 'invalid_grant']);
  }
});

test('a code is bound to its client and good for one use, after which its tokens are dead (RFC 6749 4.1.2, 10.5)', async () => {
  const stolen = await obtainCode();
  const form = await assertionOf(otherKeys, other.clientId, url);
  const { body: refused } = await redeem(stolen.get('code'), { form });
  assert.equal(refused.error, 'invalid_grant');

  const answer = await obtainCode();
  const { body } = await redeem(answer.get('code'));
  const again = await redeem(answer.get('code'));
  assert.deepEqual([again.status, again.body.error], [400, 'invalid_grant']);
  assert.equal((await userinfo(String(body.access_token))).status, 401);
});

test('at the token endpoint an assertion must be there, be the client’s own, name its subject, and not be over (RFC 7523 3)', async () => {
  const code = 'x'.repeat(43);
  const wrong: [string, Record<string, string | undefined>][] = [
    [
      'no assertion',
      {
        client_assertion: undefined,
        client_assertion_type: undefined,
        client_id: client.clientId,
      },
    ],
    ['the client_id of another', { client_id: other.clientId }],
    [
      'over',
      await assertionOf(keys, client.clientId, url, { exp: epoch() - 300, iat: epoch() - 360 }),
    ],
    ['no sub', await assertionOf(keys, client.clientId, url, { sub: undefined })],
    ['another server', await assertionOf(keys, client.clientId, 'https://other.example')],
    ['another key', await assertionOf(otherKeys, client.clientId, url)],
  ];
  for (const [what, form] of wrong) {
    const { status, body } = await redeem(code, { form });
    assert.ok(status === 400 || status === 401, what);
    assert.match(String(body.error), /^invalid_(client|request)$/, what);
  }
});

test('a pushed request may be opened twice before the person is through, and not after (RFC 9126 4)', async () => {
  const { body } = await push();
  const stranger = createUserAgent(url);
  for (let visit = 0; visit < 2; visit += 1) {
    const page = await openRequest(body.request_uri, stranger);
    assert.match(page.html, /\/sign-in"/);
  }
  const answer = await authorize(body.request_uri, stranger);
  assert.ok(answer.get('code'));
  const again = await openRequest(body.request_uri, stranger);
  assert.equal(again.url.searchParams.get('code'), null);
});
