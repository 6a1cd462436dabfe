import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt, generateKeyPair } from 'jose';
import { createDpopKey, type DpopKey, type ProofParts } from '../helpers/dpop.ts';
import {
  type Answer,
  basic,
  bearer,
  createWorld,
  getJson,
  obtainCode,
  postForm,
} from './support.ts';

const world = await createWorld();
const { url, client } = world;
const ME = `${url}/api/v1/me`;
const key = await createDpopKey();

/** A fresh nonce, such as every answer to a proof without one offers where nonces are served. */
async function freshNonce(): Promise<string | undefined> {
  const DPoP = await key.prove({ method: 'POST', url: `${url}/token` });
  const form = { grant_type: 'client_credentials' };
  const { headers } = await postForm(`${url}/token`, form, { ...basic(client), DPoP });
  return headers.get('dpop-nonce') ?? undefined;
}

const nonce = await freshNonce();

/** A token of the person that is bound to the key. */
async function boundToken(holder: DpopKey = key): Promise<string> {
  const { form } = await obtainCode(world);
  const DPoP = await holder.prove({ method: 'POST', url: `${url}/token`, nonce });
  const { status, body } = await postForm(`${url}/token`, form, { ...basic(client), DPoP });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.token_type, 'DPoP');
  return String(body.access_token);
}

const accessToken = await boundToken();

interface Call {
  holder?: DpopKey;
  token?: string;
  target?: string;
  parts?: ProofParts;
  /** What the proof is about, where it is not the call. */
  method?: string;
  proofUrl?: string;
  ath?: string;
}

async function call(options: Call = {}): Promise<Answer> {
  const { holder = key, token = accessToken, target = ME, parts } = options;
  const about = {
    method: options.method ?? 'GET',
    url: options.proofUrl ?? ME,
    accessToken: options.ath ?? token,
    nonce,
  };
  const DPoP = await holder.prove(about, parts);
  return getJson(target, { authorization: `DPoP ${token}`, DPoP });
}

function assertRefused({ status, headers, body }: Answer, error: string, why: string): void {
  assert.equal(status, 401, why);
  assert.equal(body.code, 'IDENT_UNAUTHENTICATED', why);
  const challenge = headers.get('www-authenticate') ?? '';
  assert.match(challenge, /^DPoP /, why);
  assert.ok(challenge.includes(`error="${error}"`), `${why}: ${challenge}`);
  assert.match(challenge, /algs="[^"]*ES256[^"]*"/, why);
}

test('a token bound to a key opens the API with a proof of that key (RFC 9449 7.1)', async () => {
  assert.equal((decodeJwt(accessToken).cnf as { jkt: string }).jkt, key.thumbprint);
  for (const target of [ME, `${ME}?x=1`]) {
    const { status, body } = await call({ target });
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.id, world.people.user.id);
  }
});

test('who brings no token is offered both schemes, DPoP with its algorithms (RFC 9449 7.1)', async () => {
  const { status, headers } = await getJson(ME);
  assert.equal(status, 401);
  assert.match(
    headers.get('www-authenticate') ?? '',
    /^Bearer realm="gatehouse", DPoP realm="gatehouse", algs="[^"]*ES256[^"]*"$/,
  );
});

test('a bound token is refused as a bearer token (RFC 9449 7.2, RFC 9700 2.2.1, 4.10.1)', async () => {
  assertRefused(await getJson(ME, bearer(accessToken)), 'invalid_token', 'no proof at all');
  const DPoP = await key.prove({ method: 'GET', url: ME, accessToken, nonce });
  const both = await getJson(ME, { ...bearer(accessToken), DPoP });
  assertRefused(both, 'invalid_token', 'a proof, but the wrong scheme');
});

test('an unbound token is refused as a DPoP token (RFC 9449 7.1)', async () => {
  const { form } = await obtainCode(world);
  const { body } = await postForm(`${url}/token`, form, basic(client));
  const token = String(body.access_token);
  assertRefused(await call({ token }), 'invalid_token', 'bound to nothing');
  assert.equal((await getJson(ME, bearer(token))).status, 200);
});

test('a proof by another key is refused (RFC 9449 4.3 and 7.1)', async () => {
  const thief = await createDpopKey();
  assertRefused(await call({ holder: thief }), 'invalid_token', "the thief's own key");
  const { privateKey } = await generateKeyPair('ES256');
  const forged = await call({ parts: { signingKey: privateKey } });
  assertRefused(forged, 'invalid_dpop_proof', 'the right key named, another used');
});

test('a proof of another request, method, host, token or time is refused (RFC 9449 4.3)', async () => {
  const now = Math.floor(Date.now() / 1000);
  const cases: Record<string, Call> = {
    'another method': { method: 'POST' },
    'another path': { proofUrl: `${url}/api/v1/other` },
    'another host': { proofUrl: ME.replace('localhost', '127.0.0.1') },
    'another scheme': { proofUrl: ME.replace('http:', 'https:') },
    'another token': { ath: 'something else' },
    'no token': { parts: { claims: { ath: undefined } } },
    'no method': { parts: { claims: { htm: undefined } } },
    'no address': { parts: { claims: { htu: undefined } } },
    'no jti': { parts: { claims: { jti: undefined } } },
    'no time': { parts: { claims: { iat: undefined } } },
    'an old proof': { parts: { claims: { iat: now - 3_600, nonce: undefined } } },
    'a proof from the future': { parts: { claims: { iat: now + 3_600, nonce: undefined } } },
    'no type': { parts: { header: { typ: undefined } } },
    'another type': { parts: { header: { typ: 'JWT' } } },
    'no key': { parts: { header: { jwk: undefined } } },
  };
  for (const [why, options] of Object.entries(cases)) {
    const answer = await call(options);
    assert.equal(answer.status, 401, why);
    const challenge = answer.headers.get('www-authenticate') ?? '';
    assert.match(challenge, /^DPoP .*error="(invalid_dpop_proof|use_dpop_nonce)"/, why);
    if (/use_dpop_nonce/.test(challenge)) assert.ok(answer.headers.get('dpop-nonce'), why);
  }
});

test('a proof is good once, of any number of uses at the same time too (RFC 9449 11.1)', async () => {
  const DPoP = await key.prove({ method: 'GET', url: ME, accessToken, nonce });
  const headers = { authorization: `DPoP ${accessToken}`, DPoP };
  const answers = await Promise.all(Array.from({ length: 8 }, () => getJson(ME, headers)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  for (const answer of answers.filter(({ status }) => status !== 200)) {
    assertRefused(answer, 'invalid_dpop_proof', 'replayed');
  }
});

test('a nonce that is not ours is refused, and one that will do is offered (RFC 9449 9)', async () => {
  const answer = await call({ parts: { claims: { nonce: 'made-up' } } });
  assert.equal(answer.status, 401);
  assert.match(
    answer.headers.get('www-authenticate') ?? '',
    /error="(use_dpop_nonce|invalid_dpop_proof)"/,
  );
  if (nonce === undefined) return;
  const offered = answer.headers.get('dpop-nonce');
  assert.ok(offered);
  assert.equal((await call({ parts: { claims: { nonce: offered } } })).status, 200);
});

test('no proof, or two, is an invalid request; a broken one an invalid proof', async () => {
  const authorization = `DPoP ${accessToken}`;
  assert.equal((await getJson(ME, { authorization })).status, 400);
  for (const DPoP of ['x', 'a.b.c', 'eyJhbGciOiJub25lIn0.e30.']) {
    assertRefused(await getJson(ME, { authorization, DPoP }), 'invalid_dpop_proof', DPoP);
  }
});

test('a token that is none, or was revoked, is told as invalid whatever the proof', async () => {
  assertRefused(await call({ token: 'nonsense' }), 'invalid_token', 'nonsense');
  const token = await boundToken();
  assert.equal((await call({ token })).status, 200);
  await postForm(`${url}/revoke`, { token }, basic(client));
  assertRefused(await call({ token }), 'invalid_token', 'revoked');
});
