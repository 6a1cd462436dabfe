import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AppError } from '../../src/kernel/errors.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import {
  basic,
  bearer,
  createWorld,
  getJson,
  introspect,
  obtainCode,
  postForm,
  randomText,
  refresh,
  signInForTokens,
  startTwin,
} from './support.ts';

const clock = createFakeClock();
const world = await createWorld({ overrides: { clock } });
const twin = await startTwin(world, { clock });
const { url, deps, people } = world;
const { clients } = deps;

/** Longer than the second that copies of rows may be used. */
const A_MOMENT = 1_001;
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

test('a change is merged, validated by the engine, and felt in every process within a second', async () => {
  const client = await create({ scope: 'openid email' });
  const { client: updated, clientSecret } = await clients.update({
    ...named(client),
    metadata: { client_name: 'Renamed', scope: null, access_token_ttl: 60 },
    isFirstParty: false,
  });
  assert.equal(clientSecret, null, 'the secret stays');
  assert.equal(updated.metadata.client_name, 'Renamed');
  assert.ok(!('scope' in updated.metadata));
  assert.deepEqual(updated.metadata.redirect_uris, [client.redirectUri]);
  assert.equal(updated.isFirstParty, false);
  assert.equal(updated.version, 2);
  clock.advance(A_MOMENT);
  const { body } = await postForm(`${twin.url}/token`, GRANT, basic(client));
  assert.equal(body.expires_in, 60);

  const wrong: [Record<string, unknown>, string][] = [
    [{ redirect_uris: ['nowhere'] }, 'metadata.redirect_uris'],
    [{ client_id: 'another' }, 'metadata.client_id'],
    [{ client_secret: randomText() }, 'metadata.client_secret'],
    [{ access_token_ttl: 1 }, 'metadata.access_token_ttl'],
  ];
  for (const [metadata, path] of wrong) {
    await assert.rejects(clients.update({ ...named(client), metadata }), (error: AppError) => {
      assert.equal(error.options.errors?.[0]?.path, path);
      return refusedAs('IDENT_VALIDATION')(error);
    });
  }
  assert.equal((await clients.get(named(client))).version, 2, 'nothing of those was kept');
});

test('a replacement leaves nothing of what was there (RFC 7592 2.2)', async () => {
  const client = await create({ client_uri: 'https://lotus.example/' });
  const metadata = { redirect_uris: [client.redirectUri], client_name: 'Whole' };
  const { client: updated } = await clients.update({
    ...named(client),
    metadata,
    isReplacement: true,
  });
  assert.deepEqual(updated.metadata, { ...metadata, client_id: client.clientId });
});

test('of changes made for the same version one is kept, and the others are told', async () => {
  const client = await create();
  const { version } = await clients.get(named(client));
  const results = await Promise.allSettled(
    ['a', 'b', 'c'].map((name) =>
      clients.update({ ...named(client), metadata: { client_name: name }, version }),
    ),
  );
  const refused = results.filter((result) => result.status === 'rejected');
  assert.equal(refused.length, 2);
  for (const { reason } of refused) refusedAs('IDENT_STALE_VERSION')(reason);
});

test('what administrators read holds no secret, no hash and no seal (CVE-2026-40166)', async () => {
  const client = await create({ token_endpoint_auth_method: 'client_secret_jwt' });
  await rotate(client);
  const record = await clients.get(named(client));
  const listed = await clients.list(people.tenantId);
  for (const one of [record, ...listed]) {
    assert.deepEqual(
      Object.keys(one).filter((name) => /secret|hash|seal/i.test(name)),
      ['previousSecretExpiresAt'],
    );
    assert.ok(!('client_secret' in one.metadata));
  }
});

test('nothing reaches a client of another tenant', async () => {
  const other = await deps.tenants.create({ slug: 'other', name: 'Other' });
  const client = await create();
  const name = { tenantId: other.id, clientId: client.clientId };
  for (const attempt of [
    () => clients.get(name),
    () => clients.update({ ...name, metadata: { client_name: 'Mine' } }),
    () => clients.rotateSecret(name),
    () => clients.disable(name),
    () => clients.enable(name),
    () => clients.delete(name.tenantId, name.clientId),
  ]) {
    await assert.rejects(attempt(), refusedAs('IDENT_NOT_FOUND'));
  }
  assert.ok(await opens(client));
});

test('a disabled client stops at once at every door, here and in a second process (CVE-2025-64521)', async () => {
  const client = await create();
  const signedIn = await signInForTokens(world, { client });
  const { form } = await obtainCode(world, { client, agent: signedIn.agent });
  const own = await postForm(`${url}/token`, GRANT, basic(client));
  const disabled = await clients.disable(named(client));
  assert.equal(disabled.isDisabled, true);
  assert.ok(!(await opensAt(url, client)), 'at once where it was disabled');
  clock.advance(A_MOMENT);
  for (const at of [url, twin.url]) {
    const answers = await Promise.all([
      postForm(`${at}/token`, GRANT, basic(client)),
      postForm(`${at}/token`, form, basic(client)),
      refresh(at, client, signedIn.refreshToken),
      introspect(at, client, signedIn.accessToken),
      postForm(`${at}/revoke`, { token: signedIn.refreshToken }, basic(client)),
    ]);
    for (const { status, body } of answers) {
      assert.equal(status, 401);
      assert.equal(body.error, 'invalid_client');
    }
    for (const token of [
      signedIn.accessToken,
      signedIn.refreshToken,
      String(own.body.access_token),
    ]) {
      assert.equal((await introspect(at, world.client, token)).body.active, false);
    }
    const userinfo = await getJson(`${at}/userinfo`, bearer(signedIn.accessToken));
    assert.equal(userinfo.status, 401);
    assert.equal((await getJson(`${at}/api/v1/me`, bearer(signedIn.accessToken))).status, 401);
    const target = `${at}/authorize?client_id=${client.clientId}&response_type=code&scope=openid`;
    const answer = await createUserAgent(at).fetch(new URL(target));
    assert.equal(answer.status, 400);
    assert.equal(answer.headers.get('location'), null);
  }
});

async function opensAt(at: string, client: TestClient): Promise<boolean> {
  return (await postForm(`${at}/token`, GRANT, basic(client))).status === 200;
}

test('an enabled client goes on where it was', async () => {
  const client = await create();
  const signedIn = await signInForTokens(world, { client });
  await clients.disable(named(client));
  await clients.disable(named(client));
  clock.advance(A_MOMENT);
  assert.ok(!(await opens(client)));
  await clients.enable(named(client));
  clock.advance(A_MOMENT);
  assert.ok(await opens(client));
  assert.equal((await refresh(url, client, signedIn.refreshToken)).status, 200);
  assert.equal((await clients.get(named(client))).version, 3, 'disabling twice is one change');
});
