import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { seedClient, startGatehouse } from '../helpers/gatehouse.ts';
import { basic, createWorld, getJson, obtainCode, postForm, startTwin } from './support.ts';

const ALGS = ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'] as const;

const world = await createWorld({ settings: { SIGNING_ALGS_EXPERIMENTAL: ALGS.join() } });
const { url, deps, people } = world;

type Jwk = Record<string, string>;

const jwks = async (at = url): Promise<Jwk[]> =>
  (await getJson(`${at}/.well-known/jwks.json`)).body.keys as Jwk[];

const metadata = async (at = url) =>
  (await getJson(`${at}/.well-known/openid-configuration`)).body as Record<string, string[]>;

const SIGNED = ['id_token', 'userinfo', 'introspection', 'authorization'].map(
  (name) => `${name}_signing_alg_values_supported`,
);

/** Verifies a JWS by Node's own cryptography. */
function verifies(token: string, key: Jwk | undefined): boolean {
  const [header, payload, signature = ''] = token.split('.');
  const publicKey = createPublicKey({ key: key ?? {}, format: 'jwk' });
  const data = Buffer.from(`${header}.${payload}`);
  return verify(null, data, publicKey, Buffer.from(signature, 'base64url'));
}

async function signIn(alg: string) {
  const client = await seedClient(deps, people.tenantId, {
    metadata: { id_token_signed_response_alg: alg, userinfo_signed_response_alg: alg },
  });
  const { form } = await obtainCode({ ...world, client });
  const { status, body } = await postForm(`${url}/token`, form, basic(client));
  assert.equal(status, 200, JSON.stringify(body));
  return { idToken: String(body.id_token), accessToken: String(body.access_token) };
}

test('without the setting, no algorithm beyond the standard ones has keys or is offered', async () => {
  const plain = await startGatehouse();
  assert.ok((await jwks(plain.url)).every(({ alg }) => !alg?.startsWith('ML-DSA')));
  const text = JSON.stringify(await metadata(plain.url));
  assert.doesNotMatch(text, /ML-DSA/);
});

for (const alg of ALGS) {
  test(`${alg}: published as an AKP key, its public half only`, async () => {
    const key = (await jwks()).find((one) => one.alg === alg);
    assert.deepEqual(Object.keys(key ?? {}).sort(), ['alg', 'kid', 'kty', 'pub', 'use']);
    assert.equal(key?.kty, 'AKP');
    const offered = await metadata();
    for (const name of SIGNED) assert.ok(offered[name]?.includes(alg), name);
  });

  test(`${alg}: ID token and userinfo of a client that chose it verify (FIPS 204)`, async () => {
    const { idToken, accessToken } = await signIn(alg);
    const header = decodeProtectedHeader(idToken);
    assert.equal(header.alg, alg);
    const key = (await jwks()).find(({ kid }) => kid === header.kid);
    assert.equal(key?.alg, alg);
    assert.ok(verifies(idToken, key));
    const other = (await jwks()).find((one) => one.alg !== alg && one.kty === 'AKP');
    assert.ok(
      !verifies(idToken, { ...other, alg: other?.alg ?? '' }),
      'by another key it does not',
    );
    assert.equal(decodeJwt(idToken).sub, people.user.id);
    const userinfo = await fetch(`${url}/userinfo`, {
      headers: { authorization: `Bearer ${accessToken}` },
    });
    assert.match(userinfo.headers.get('content-type') ?? '', /^application\/jwt/);
    assert.ok(verifies(await userinfo.text(), key));
  });
}

test('access tokens keep to SIGNING_ALG', async () => {
  const { accessToken } = await signIn('ML-DSA-44');
  assert.equal(decodeProtectedHeader(accessToken).alg, 'RS256');
});

test('taken out of the setting, a key stays published and its client gets no more by it', async () => {
  const { idToken } = await signIn('ML-DSA-65');
  const plain = await startTwin(world);
  const { kid } = decodeProtectedHeader(idToken);
  const key = (await jwks(plain.url)).find((one) => one.kid === kid);
  assert.ok(verifies(idToken, key), 'what it has signed still verifies');
  assert.doesNotMatch(JSON.stringify(await metadata(plain.url)), /ML-DSA/);
});

test('they rotate as all others do', async () => {
  const before = decodeProtectedHeader((await signIn('ML-DSA-87')).idToken).kid;
  const { kid } = await deps.keyRotation.publish('ML-DSA-87');
  assert.equal(await deps.keyRotation.promote(kid, 'requested'), before);
  await deps.engine.refresh();
  assert.equal(decodeProtectedHeader((await signIn('ML-DSA-87')).idToken).kid, kid);
});
