import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock } from '../helpers/clock.ts';
import { seedClient } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import {
  addUser,
  basic,
  bearer,
  createWorld,
  getJson,
  introspect,
  postForm,
  refresh,
  signInForTokens,
  startTwin,
} from './support.ts';

const clock = createFakeClock();
const world = await createWorld({ overrides: { clock } });
const twin = await startTwin(world, { clock });
const { url, client, deps } = world;

/** Longer than the second that copies of rows may be used. */
const A_MOMENT = 1_001;

async function setStatus(userId: string, status: string): Promise<void> {
  await deps.postgres.knex('users').where({ id: userId }).update({ status });
  clock.advance(A_MOMENT);
}

async function isLetInSilently(agent: ReturnType<typeof createUserAgent>): Promise<boolean> {
  const configuration = await discover(url, client);
  const request = await authorizationRequest(configuration, client.redirectUri, { prompt: 'none' });
  return (await agent.follow(request.url)).url.searchParams.has('code');
}

for (const status of ['suspended', 'deactivated']) {
  test(`a ${status} user is out everywhere at once (ASVS 7.4.2, CVE-2025-64521)`, async () => {
    const user = await addUser(world, `user-${status}`);
    const signedIn = await signInForTokens(world, { credentials: user });
    assert.ok(await isLetInSilently(signedIn.agent));
    await setStatus(user.id, status);
    for (const at of [url, twin.url]) {
      assert.equal((await getJson(`${at}/userinfo`, bearer(signedIn.accessToken))).status, 401);
      const me = await getJson(`${at}/api/v1/me`, bearer(signedIn.accessToken));
      assert.equal(me.status, 401);
      assert.equal(me.body.code, 'IDENT_UNAUTHENTICATED');
    }
    const refreshed = await refresh(url, client, signedIn.refreshToken);
    assert.equal(refreshed.body.error, 'invalid_grant');
    assert.ok(!(await isLetInSilently(signedIn.agent)));
  });

  test(`introspection calls the token of a ${status} user inactive`, async () => {
    const user = await addUser(world, `token-${status}`);
    const { accessToken, refreshToken } = await signInForTokens(world, { credentials: user });
    await setStatus(user.id, status);
    for (const token of [accessToken, refreshToken]) {
      assert.equal((await introspect(url, client, token)).body.active, false);
    }
  });
}

test('a user who is reactivated gets back in', async () => {
  const user = await addUser(world, 'returning');
  await setStatus(user.id, 'suspended');
  await setStatus(user.id, 'active');
  const { accessToken } = await signInForTokens(world, { credentials: user });
  assert.equal((await getJson(`${url}/api/v1/me`, bearer(accessToken))).status, 200);
});

test('a deleted user takes tokens and sessions along', async () => {
  const user = await addUser(world, 'deleted');
  const signedIn = await signInForTokens(world, { credentials: user });
  await deps.postgres.knex('users').where({ id: user.id }).delete();
  clock.advance(A_MOMENT);
  assert.equal((await getJson(`${url}/userinfo`, bearer(signedIn.accessToken))).status, 401);
  assert.equal((await getJson(`${url}/api/v1/me`, bearer(signedIn.accessToken))).status, 401);
  const refreshed = await refresh(url, client, signedIn.refreshToken);
  assert.equal(refreshed.body.error, 'invalid_grant');
  assert.ok(!(await isLetInSilently(signedIn.agent)));
});

test('a disabled client is refused within a second, in every process (CVE-2025-64521)', async () => {
  const doomed = await seedClient(deps, world.people.tenantId);
  const signedIn = await signInForTokens(world, { client: doomed });
  const form = { grant_type: 'client_credentials' };
  for (const at of [url, twin.url]) {
    assert.equal((await postForm(`${at}/token`, form, basic(doomed))).status, 200);
  }
  await deps.postgres
    .knex('clients')
    .where({ client_id: doomed.clientId })
    .update({ disabled_at: new Date() });
  clock.advance(A_MOMENT);
  for (const at of [url, twin.url]) {
    const { status, body } = await postForm(`${at}/token`, form, basic(doomed));
    assert.equal(status, 401);
    assert.equal(body.error, 'invalid_client');
    const refreshed = await refresh(at, doomed, signedIn.refreshToken);
    assert.equal(refreshed.body.error, 'invalid_client');
    const active = await introspect(at, client, signedIn.accessToken);
    assert.equal(active.body.active, false, 'its tokens are dead as well');
    assert.equal((await getJson(`${at}/userinfo`, bearer(signedIn.accessToken))).status, 401);
    assert.equal((await getJson(`${at}/api/v1/me`, bearer(signedIn.accessToken))).status, 401);
  }
  const target = new URL(`${url}/authorize`);
  target.search = new URLSearchParams({
    client_id: doomed.clientId,
    redirect_uri: doomed.redirectUri,
    response_type: 'code',
    scope: 'openid',
  }).toString();
  const response = await createUserAgent(url).fetch(target);
  assert.equal(response.status, 400);
  assert.equal(response.headers.get('location'), null);
});

test('a deleted client is unknown and its refresh tokens are gone', async () => {
  const doomed = await seedClient(deps, world.people.tenantId);
  const signedIn = await signInForTokens(world, { client: doomed });
  await deps.clients.delete(world.people.tenantId, doomed.clientId);
  clock.advance(A_MOMENT);
  const refreshed = await refresh(twin.url, doomed, signedIn.refreshToken);
  assert.equal(refreshed.body.error, 'invalid_client');
  const left = await deps.postgres
    .knex('oidc_refresh_tokens')
    .where({ client_id: doomed.clientId });
  assert.equal(left.length, 0);
});
