import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedClient } from '../helpers/gatehouse.ts';
import {
  basic,
  createWorld,
  isDeadEverywhere,
  obtainCode,
  postForm,
  refresh,
  startTwin,
} from './support.ts';

const world = await createWorld();
const twin = await startTwin(world);
const { url, client, people } = world;

test('a code used twice is refused and ends the tokens of its first use (ASVS 10.4.2)', async () => {
  const { form } = await obtainCode(world);
  const first = await postForm(`${url}/token`, form, basic(client));
  assert.equal(first.status, 200);
  const second = await postForm(`${url}/token`, form, basic(client));
  assert.equal(second.status, 400);
  assert.equal(second.body.error, 'invalid_grant');
  const accessToken = String(first.body.access_token);
  assert.ok(await isDeadEverywhere(url, client, accessToken));
  assert.ok(await isDeadEverywhere(twin.url, client, accessToken));
  const refreshed = await refresh(url, client, String(first.body.refresh_token));
  assert.equal(refreshed.body.error, 'invalid_grant');
});

test('a code replayed at a second process is refused there as well', async () => {
  const { form } = await obtainCode(world);
  assert.equal((await postForm(`${url}/token`, form, basic(client))).status, 200);
  const second = await postForm(`${twin.url}/token`, form, basic(client));
  assert.equal(second.body.error, 'invalid_grant');
});

test('a code is bound to its client (RFC 9700 4.5)', async () => {
  const other = await seedClient(world.deps, people.tenantId);
  const { form } = await obtainCode(world);
  const stolen = await postForm(`${url}/token`, form, basic(other));
  assert.equal(stolen.body.error, 'invalid_grant');
  // The theft must not cost the owner: the code was not used.
  assert.equal((await postForm(`${url}/token`, form, basic(client))).status, 200);
});

test('a code is bound to its redirect URI', async () => {
  const two = await seedClient(world.deps, people.tenantId, {
    metadata: { redirect_uris: ['http://localhost:4999/callback', 'http://localhost:4999/other'] },
  });
  const { form } = await obtainCode(world, { client: two });
  for (const redirect_uri of ['http://localhost:4999/other', 'http://localhost:4999/callback/']) {
    const answer = await postForm(`${url}/token`, { ...form, redirect_uri }, basic(two));
    assert.equal(answer.body.error, 'invalid_grant', redirect_uri);
  }
});

test('a code lives a minute (ASVS 10.4.3)', async (t) => {
  const { form } = await obtainCode(world);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 });
  const answer = await postForm(`${url}/token`, form, basic(client));
  assert.equal(answer.body.error, 'invalid_grant');
});

test('of an unknown code nothing is told but that it is no good', async () => {
  const { form } = await obtainCode(world);
  for (const code of ['', 'x', form.code.slice(0, -1), `${form.code}x`]) {
    const answer = await postForm(`${url}/token`, { ...form, code }, basic(client));
    assert.equal(answer.status, 400);
    assert.match(String(answer.body.error), /^invalid_(grant|request)$/);
  }
});
