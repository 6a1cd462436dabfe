import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { callApi } from './auth-support.ts';
import { openSignIn } from './sign-in-support.ts';
import {
  basic,
  bearer,
  createWorld,
  getJson,
  introspect,
  isDeadEverywhere,
  postForm,
  type SignedIn,
  signInForTokens,
} from './support.ts';

/** Without Redis: what Postgres can answer goes on, and fails closed all the same (ASVS 16.5.3). */

const world = await createWorld();
const { deps, client, people, url } = world;
const { redis } = deps;

const revoke = (token: string) => postForm(`${url}/revoke`, { token }, basic(client));

/** Tokens that were ended in each way that there is. */
async function endInEveryWay(): Promise<Record<string, SignedIn>> {
  const session = await signInForTokens(world);
  const where = { tenantId: people.tenantId, userId: people.user.id };
  const sessionId = String(decodeJwt(session.idToken).sid);
  assert.ok(await deps.sessions.end({ ...where, sessionId, reason: 'ended_by_user' }));
  const grant = await signInForTokens(world);
  assert.equal((await revoke(grant.refreshToken)).status, 200);
  const token = await signInForTokens(world);
  assert.equal((await revoke(token.accessToken)).status, 200);
  return { session, grant, token };
}

async function assertAlive({ accessToken }: SignedIn): Promise<void> {
  const me = await getJson(`${url}/api/v1/me`, bearer(accessToken));
  assert.equal(me.status, 200);
  assert.equal((await introspect(url, client, accessToken)).body.active, true);
  assert.equal((await getJson(`${url}/userinfo`, bearer(accessToken))).status, 200);
}

test('a Redis that lost its memory is told of single tokens too', async () => {
  const { accessToken } = await signInForTokens(world);
  const { jti = '' } = decodeJwt(accessToken);
  assert.equal((await revoke(accessToken)).status, 200);
  await redis.del(`revoked:jti:{${jti}}`);
  assert.equal(await isDeadEverywhere(url, client, accessToken), false, 'it was forgotten');
  await deps.sessions.restoreRevocations();
  assert.equal(await isDeadEverywhere(url, client, accessToken), true);
});

test('notes of single tokens go when the tokens have expired', async () => {
  const records = deps.postgres.knex('revoked_tokens');
  await records.clone().insert({ jti: 'of-the-past', expires_at: new Date(deps.clock.now() - 1) });
  while ((await deps.purgeExpired()) > 0);
  assert.equal(await records.clone().where({ jti: 'of-the-past' }).first(), undefined);
});

test('while Redis is away a valid token opens what it opened, a revoked one nothing, and nobody signs in', async () => {
  const alive = await signInForTokens(world);
  const dead = await endInEveryWay();
  const page = await openSignIn(world);
  redis.disconnect();
  await assertAlive(alive);
  for (const [how, { accessToken }] of Object.entries(dead)) {
    assert.equal(await isDeadEverywhere(url, client, accessToken), true, how);
  }
  for (const path of ['/.well-known/jwks.json', '/.well-known/openid-configuration']) {
    assert.equal((await getJson(url + path)).status, 200, path);
  }
  const refused = await page.attempt(people.user.email, people.user.password);
  assert.equal(refused.status, 503);
  assert.ok(Number(refused.retryAfter) > 0, 'a page that says when to come back');

  const { email: identifier, password } = people.user;
  for (const [path, body] of [
    ['/auth/login', { identifier, password }],
    ['/auth/otp/request', { identifier }],
    ['/auth/otp/verify', { identifier, code: '123456' }],
  ] as const) {
    const answer = await callApi(url, 'POST', path, { body });
    assert.equal(answer.status, 503, path);
    assert.equal(answer.body.code, 'IDENT_UNAVAILABLE');
    assert.ok(Number(answer.headers.get('retry-after')) > 0, path);
  }

  await redis.connect();
  await assertAlive(alive);
  await assertAlive(await signInForTokens(world));
  for (const { accessToken } of Object.values(dead)) {
    assert.equal(await isDeadEverywhere(url, client, accessToken), true);
  }
});
