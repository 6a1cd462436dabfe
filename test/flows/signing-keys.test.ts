import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { withLatency } from '../helpers/latency-adapter.ts';
import {
  basic,
  bearer,
  becomesTrue,
  createWorld,
  getJson,
  introspect,
  obtainCode,
  postForm,
  refresh,
  signInForTokens,
  startTwin,
  type World,
} from './support.ts';

const world = await createWorld({
  overrides: { wrapAdapter: (factory) => withLatency(factory, 2) },
});
const twin = await startTwin(world);
const { url, client, deps } = world;

/** Puts a new current RS256 key into the table, as a rotation does; the old one retires. */
async function rotate({ deps: { postgres, sealer } }: World): Promise<string> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const kid = randomUUID();
  const now = new Date();
  await postgres.knex.transaction(async (trx) => {
    await trx('signing_keys')
      .where({ alg: 'RS256', state: 'current' })
      .update({ state: 'retiring', retired_at: now });
    await trx('signing_keys').insert({
      kid,
      alg: 'RS256',
      state: 'current',
      public_jwk: JSON.stringify({
        ...publicKey.export({ format: 'jwk' }),
        kid,
        alg: 'RS256',
        use: 'sig',
      }),
      private_sealed: sealer.seal(
        privateKey.export({ format: 'der', type: 'pkcs8' }),
        `signing_keys:${kid}`,
      ),
      created_at: now,
      activated_at: now,
    });
  });
  return kid;
}

const publishedKids = async (at = url): Promise<string[]> => {
  const { body } = await getJson(`${at}/.well-known/jwks.json`);
  return (body.keys as { kid: string }[]).map(({ kid }) => kid);
};

const kidOf = (token: string): string | undefined => decodeProtectedHeader(token).kid;

test('a new current key signs and is published as soon as the engine has looked', async () => {
  const before = await signInForTokens(world);
  const etag = (await fetch(`${url}/jw-certs`)).headers.get('etag');
  const kid = await rotate(world);
  // The word of the change may have come first: what counts is what is served after.
  await deps.engine.refresh();
  assert.equal(await deps.engine.refresh(), false, 'nothing new the second time');
  const after = await signInForTokens(world);
  assert.equal(kidOf(after.accessToken), kid);
  assert.equal(kidOf(after.idToken), kid);
  assert.notEqual(kidOf(before.accessToken), kid);
  assert.ok((await publishedKids()).includes(kid));
  assert.ok((await publishedKids()).includes(kidOf(before.accessToken) ?? ''));
  assert.notEqual((await fetch(`${url}/jw-certs`)).headers.get('etag'), etag);
});

test('tokens of the retiring key still verify, refresh and introspect', async () => {
  const before = await signInForTokens(world);
  await rotate(world);
  await deps.engine.refresh();
  const keys = createRemoteJWKSet(new URL(`${url}/jw-certs`));
  await jwtVerify(before.accessToken, keys, { issuer: url, audience: `${url}/api` });
  assert.equal((await introspect(url, client, before.accessToken)).body.active, true);
  assert.equal((await getJson(`${url}/api/v1/me`, bearer(before.accessToken))).status, 200);
  const { status, body } = await refresh(url, client, before.refreshToken);
  assert.equal(status, 200);
  assert.notEqual(kidOf(String(body.access_token)), kidOf(before.accessToken));
});

test('requests under way during a swap succeed, each with one engine', async () => {
  const { agent } = await signInForTokens(world);
  const codes = [];
  for (let i = 0; i < 12; i += 1) codes.push(await obtainCode(world, { agent }));
  await rotate(world);
  const [answers] = await Promise.all([
    Promise.all(codes.map(({ form }) => postForm(`${url}/token`, form, basic(client)))),
    deps.engine.refresh(),
  ]);
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  for (const { body } of answers) {
    const active = await introspect(url, client, String(body.access_token));
    assert.equal(active.body.active, true);
  }
});

test('a second process follows by itself within seconds', async () => {
  const kid = await rotate(world);
  await deps.engine.refresh();
  const { accessToken } = await signInForTokens(world);
  assert.equal(kidOf(accessToken), kid);
  assert.ok(await becomesTrue(async () => (await publishedKids(twin.url)).includes(kid), 8_000));
  assert.equal((await introspect(twin.url, client, accessToken)).body.active, true);
});

test('a key that is gone is no longer published and its tokens are refused', async () => {
  const before = await signInForTokens(world);
  await rotate(world);
  const gone = kidOf(before.accessToken);
  await deps.postgres.knex('signing_keys').where({ kid: gone }).update({ state: 'gone' });
  await deps.engine.refresh();
  assert.ok(!(await publishedKids()).includes(gone ?? ''));
  assert.equal((await introspect(url, client, before.accessToken)).body.active, false);
  assert.equal((await getJson(`${url}/api/v1/me`, bearer(before.accessToken))).status, 401);
});

test('a next key is published before it signs', async () => {
  const kid = await rotate(world);
  const { knex } = deps.postgres;
  await knex('signing_keys').where({ kid }).update({ state: 'next', activated_at: null });
  await knex('signing_keys')
    .where({ alg: 'RS256', state: 'retiring' })
    .whereIn(
      'kid',
      knex('signing_keys')
        .where({ alg: 'RS256', state: 'retiring' })
        .orderBy('created_at', 'desc')
        .limit(1)
        .select('kid'),
    )
    .update({ state: 'current', retired_at: null });
  await deps.engine.refresh();
  assert.ok((await publishedKids()).includes(kid));
  const { accessToken } = await signInForTokens(world);
  assert.notEqual(kidOf(accessToken), kid);
});

for (const alg of ['ES256', 'EdDSA'] as const) {
  test(`an instance set to ${alg} signs everything with it, and it verifies`, async () => {
    const other = await createWorld({ settings: { SIGNING_ALG: alg } });
    const { accessToken, idToken } = await signInForTokens(other);
    assert.equal(decodeProtectedHeader(accessToken).alg, alg);
    assert.equal(decodeProtectedHeader(idToken).alg, alg);
    const keys = createRemoteJWKSet(new URL(`${other.url}/.well-known/jwks.json`));
    const { payload } = await jwtVerify(accessToken, keys, { algorithms: [alg] });
    assert.equal(payload.sub, decodeJwt(idToken).sub);
    assert.equal((await introspect(other.url, other.client, accessToken)).body.active, true);
    assert.equal((await getJson(`${other.url}/api/v1/me`, bearer(accessToken))).status, 200);
  });
}

test('keys at rest are sealed: no private part is readable in the table', async () => {
  const { rows } = await deps.postgres.knex.raw('SELECT k::text AS text FROM signing_keys k');
  for (const { text } of rows) assert.doesNotMatch(text, /"d":|PRIVATE KEY|"p":|"q":/);
});
