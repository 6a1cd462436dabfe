import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import type { AppError } from '../../src/kernel/errors.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { basic, createWorld, postForm, randomText, startTwin } from './support.ts';

const clock = createFakeClock();
const world = await createWorld({ overrides: { clock } });
const twin = await startTwin(world, { clock });
const { url, deps, people } = world;
const { clients } = deps;

/** Longer than the second that copies of rows may be used. */
const A_MOMENT = 1_001;
const HOUR = 3_600_000;
const GRANT = { grant_type: 'client_credentials' };

const named = ({ clientId }: Pick<TestClient, 'clientId'>) => ({
  tenantId: people.tenantId,
  clientId,
});
const refusedAs = (code: string) => (error: AppError) => {
  assert.equal(error.code, code, String(error));
  return true;
};
const create = (metadata: Record<string, unknown> = {}) =>
  seedClient(deps, people.tenantId, { metadata });

async function rotate(client: TestClient, overlap?: number): Promise<TestClient> {
  const { clientSecret } = await clients.rotateSecret({
    ...named(client),
    ...(overlap === undefined ? {} : { overlap }),
  });
  return { ...client, clientSecret };
}

/** Whether a client gets a token, in both processes alike. */
async function opens(client: TestClient): Promise<boolean> {
  const answers = await Promise.all(
    [url, twin.url].map((at) => postForm(`${at}/token`, GRANT, basic(client))),
  );
  const [here, there] = answers.map(({ status }) => status);
  assert.equal(here, there, 'both processes answer alike');
  for (const { status, body } of answers) {
    if (status !== 200) assert.equal(body.error, 'invalid_client');
  }
  return here === 200;
}

test('after a rotation both secrets open for the overlap, a day by default, then the old one is dead', async () => {
  const old = await create();
  assert.ok(await opens(old));
  const fresh = await rotate(old);
  clock.advance(A_MOMENT);
  assert.ok(await opens(fresh));
  assert.ok(await opens(old));
  clock.advance(24 * HOUR - 3 * A_MOMENT);
  assert.ok(await opens(old));
  clock.advance(3 * A_MOMENT);
  assert.ok(await opens(fresh));
  assert.ok(!(await opens(old)));
});

test('a second rotation inside the overlap ends the oldest secret: never do more than two open', async () => {
  const first = await create();
  const second = await rotate(first);
  const third = await rotate(first);
  clock.advance(A_MOMENT);
  assert.ok(!(await opens(first)));
  assert.ok(await opens(second));
  assert.ok(await opens(third));
});

test('without an overlap the old secret ends at once: it was stolen', async () => {
  const old = await create();
  await rotate(old);
  const fresh = await rotate(old, 0);
  clock.advance(A_MOMENT);
  assert.ok(!(await opens(old)));
  assert.ok(await opens(fresh));
});

test('rotations at the same time: each secret that was handed out and not told stale is among the two that open', async () => {
  const client = await create();
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => rotate(client)));
  const done = results.filter((result) => result.status === 'fulfilled').map(({ value }) => value);
  assert.ok(done.length > 0);
  for (const result of results) {
    if (result.status === 'rejected') refusedAs('IDENT_STALE_VERSION')(result.reason);
  }
  clock.advance(A_MOMENT);
  const open = [];
  for (const one of [client, ...done]) if (await opens(one)) open.push(one);
  assert.equal(open.length, 2);
});

/** A token request authenticated by an HMAC under the secret (OpenID Connect Core 9). */
async function opensByHmac(client: TestClient): Promise<boolean> {
  const now = Math.floor(Date.now() / 1000);
  const assertion = await new SignJWT()
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(client.clientId)
    .setSubject(client.clientId)
    .setAudience(url)
    .setIssuedAt(now)
    .setExpirationTime(now + 60)
    .setJti(randomText())
    .sign(Buffer.from(client.clientSecret));
  const { status, body } = await postForm(`${twin.url}/token`, {
    ...GRANT,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  });
  if (status !== 200) assert.equal(body.error, 'invalid_client');
  return status === 200;
}

test('a secret that is a key rotates alike: client_secret_jwt with the old one until the overlap ends', async () => {
  const old = await create({ token_endpoint_auth_method: 'client_secret_jwt' });
  assert.ok(await opensByHmac(old));
  const fresh = await rotate(old, 3_600);
  clock.advance(A_MOMENT);
  assert.ok(await opensByHmac(fresh));
  assert.ok(await opensByHmac(old));
  assert.ok(!(await opensByHmac({ ...old, clientSecret: randomText() })));
  clock.advance(HOUR);
  assert.ok(await opensByHmac(fresh));
  assert.ok(!(await opensByHmac(old)));
});

test('a client without a secret has none to rotate', async () => {
  const open = await create({
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
  });
  await assert.rejects(rotate(open), refusedAs('IDENT_INVALID_TRANSITION'));
});

test('another way to authenticate brings a secret where it needs one, and takes it away where not', async () => {
  const client = await create();
  const toKey = await clients.update({
    ...named(client),
    metadata: { token_endpoint_auth_method: 'client_secret_jwt' },
  });
  assert.ok(toKey.clientSecret, 'of a hashed secret no key can be made');
  clock.advance(A_MOMENT);
  assert.ok(await opensByHmac({ ...client, clientSecret: toKey.clientSecret }));

  const back = await clients.update({
    ...named(client),
    metadata: { token_endpoint_auth_method: 'client_secret_basic' },
  });
  assert.equal(back.clientSecret, null, 'the same secret still serves');
  clock.advance(A_MOMENT);
  assert.ok(await opens({ ...client, clientSecret: toKey.clientSecret }));
  const sealed = () =>
    deps.postgres.knex('clients').where({ client_id: client.clientId }).first('secret_sealed');
  assert.equal((await sealed()).secret_sealed, null, 'and is no longer kept readable');

  await clients.update({
    ...named(client),
    metadata: { token_endpoint_auth_method: 'none', grant_types: ['authorization_code'] },
  });
  clock.advance(A_MOMENT);
  assert.ok(!(await opens({ ...client, clientSecret: toKey.clientSecret })));
});
