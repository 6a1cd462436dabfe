import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt, SignJWT } from 'jose';
import { callApi, refreshApi } from './auth-support.ts';
import {
  addApp,
  addPerson,
  addProtected,
  call,
  challenge,
  createMfaWorld,
  eventsOf,
  login,
  MINUTE,
  setTenant,
  verify,
  wrong,
} from './mfa-support.ts';
import { assertProblem } from './proof-support.ts';

const world = await createMfaWorld();
const { deps, url, clock } = world;
const acr = (name: string): string => `urn:gatehouse:acr:${name}`;
const claimsOf = (body: Record<string, unknown>) => decodeJwt(String(body.accessToken));

const ended = (answer: Parameters<typeof assertProblem>[0]) =>
  assertProblem(answer, 422, 'IDENT_TOKEN_SPENT');

test('a password alone signs nobody in who has a second factor; both do, and the token says so (ASVS 6.3.3)', async () => {
  const person = await addProtected(world);
  const waiting = await challenge(world, person);
  assert.deepEqual(waiting.methods, ['totp']);
  assert.deepEqual(waiting.enroll, []);
  assert.equal(waiting.mayPostpone, false);
  assert.equal(Date.parse(String(waiting.expiresAt)), clock.now() + 5 * MINUTE);
  const { status, body } = await verify(world, waiting.challengeId, person.code());
  assert.equal(status, 200, JSON.stringify(body));
  const claims = claimsOf(body);
  assert.deepEqual(claims.amr, ['pwd', 'otp', 'mfa']);
  assert.equal(claims.acr, acr('2fa'));
  assert.equal(claims.auth_time, Math.floor(clock.now() / 1_000));
  const refreshed = claimsOf((await refreshApi(url, String(body.refreshToken))).body);
  assert.deepEqual([refreshed.amr, refreshed.acr], [claims.amr, claims.acr]);
  ended(await verify(world, waiting.challengeId, person.code()));
});

test('between password and second factor nothing works: no session, no event, no device, no API, no refresh (CVE-2025-3910, GHSA-xg6x-h9c9-2m83, CVE-2025-64103)', async () => {
  const person = await addProtected(world);
  const before = await eventsOf(world, person.id);
  const waiting = await challenge(world, person);
  assert.deepEqual(await eventsOf(world, person.id), before);
  assert.deepEqual(await deps.sessions.list(person.tenantId, person.id), []);
  const rows = await deps.postgres.knex('known_browsers').where({ user_id: person.id });
  assert.deepEqual(rows, []);
  assert.equal('accessToken' in waiting || 'refreshToken' in waiting, false);
  const { challengeId: token } = waiting;
  for (const [method, path] of [
    ['GET', '/me'],
    ['GET', '/me/sessions'],
    ['POST', '/auth/logout'],
  ] as const) {
    const answer = await callApi(url, method, path, { token });
    assertProblem(answer, 401, 'IDENT_UNAUTHENTICATED');
  }
  assertProblem(await refreshApi(url, token.slice(0, 500)), 401, 'IDENT_UNAUTHENTICATED');
  // The challenge tells nobody who it is about.
  assert.deepEqual(Object.keys(decodeJwt(token)).sort(), ['aud', 'exp', 'iat', 'iss', 'jti']);
});

test('three wrong answers end a challenge, with an event; the right one comes too late (ASVS 6.6.3)', async () => {
  const person = await addProtected(world);
  const { challengeId } = await challenge(world, person);
  for (const left of [2, 1, 0]) {
    const answer = await verify(world, challengeId, wrong(person.code()));
    assertProblem(answer, 401, 'IDENT_MFA_FAILED');
    assert.equal(answer.body.triesLeft, left);
  }
  const failed = 'identity.user.mfa_challenge_failed.v1';
  assert.deepEqual(
    (await eventsOf(world, person.id)).filter((type) => type === failed),
    [failed],
  );
  ended(await verify(world, challengeId, person.code()));
  const next = await challenge(world, person);
  assert.equal((await verify(world, next.challengeId, person.code())).status, 200);
});

test('a challenge of one person is not met by the code of another (CVE-2025-3910)', async () => {
  const [one, other] = [await addProtected(world), await addProtected(world)];
  const { challengeId } = await challenge(world, one);
  assertProblem(await verify(world, challengeId, other.code()), 401, 'IDENT_MFA_FAILED');
  assert.equal((await verify(world, challengeId, one.code())).status, 200);
});

test('a challenge ends after five minutes, and one that was changed or made elsewhere is none', async () => {
  const person = await addProtected(world);
  const { challengeId } = await challenge(world, person);
  const [head, payload, signature] = challengeId.split('.') as [string, string, string];
  const claims = decodeJwt(challengeId);
  const longer = Buffer.from(JSON.stringify({ ...claims, exp: Number(claims.exp) + 600 }));
  const none = Buffer.from('{"alg":"none","typ":"mfa-challenge+jwt"}').toString('base64url');
  const forged = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'mfa-challenge+jwt' })
    .sign(Buffer.alloc(32));
  for (const id of [
    `${head}.${longer.toString('base64url')}.${signature}`,
    `${none}.${payload}.`,
    `${head}.${payload}`,
    forged,
    String(claims.jti),
    'x',
  ]) {
    ended(await verify(world, id, person.code()));
  }
  clock.advance(6 * MINUTE);
  ended(await verify(world, challengeId, person.code()));
});

test('what would have refused the password by now ends the challenge: another password, a closed or locked account', async () => {
  const changed = await addProtected(world);
  const first = await challenge(world, changed);
  await deps.users.setPassword(changed.tenantId, changed.id, 'quite another password');
  ended(await verify(world, first.challengeId, changed.code()));

  const suspended = await addProtected(world);
  const second = await challenge(world, suspended);
  await deps.lifecycle.suspend({ tenantId: suspended.tenantId, userId: suspended.id });
  ended(await verify(world, second.challengeId, suspended.code()));

  const locked = await addProtected(world);
  const third = await challenge(world, locked);
  const quarter = 15 * MINUTE;
  const budget = { bucket: 'login-account', limit: 10, windowMs: quarter, blockMs: quarter };
  for (let i = 0; i < 10; i += 1) {
    await deps.rateLimits.hit({ ...budget, key: `user:${locked.id}` });
  }
  assertProblem(await verify(world, third.challengeId, locked.code()), 423, 'IDENT_LOCKED');
});

test('an answer of a kind that the challenge does not take is refused and costs no try', async () => {
  const person = await addProtected(world);
  const { challengeId } = await challenge(world, person);
  for (const method of ['email', 'sms', 'recovery-code']) {
    assertProblem(await verify(world, challengeId, '123456', method), 400, 'IDENT_VALIDATION');
  }
  for (const body of [
    { challengeId, method: 'webauthn', response: { id: 'x' } },
    { challengeId, method: 'totp' },
    { challengeId, method: 'totp', response: { id: 'x' } },
    { challengeId, method: 'password', code: 'x' },
    { method: 'totp', code: '123456' },
  ]) {
    assertProblem(await call(world, '/auth/mfa/verify', body), 400, 'IDENT_VALIDATION');
  }
  for (const [path, body] of [
    ['options', { challengeId }],
    ['code', { challengeId, method: 'email' }],
    ['enroll/totp', { challengeId }],
    ['enroll/webauthn/options', { challengeId }],
  ] as const) {
    assertProblem(await call(world, `/auth/mfa/${path}`, body), 400, 'IDENT_VALIDATION');
  }
  const postponed = await call(world, '/auth/mfa/postpone', { challengeId });
  assertProblem(postponed, 422, 'IDENT_INVALID_TRANSITION');
  assert.equal((await verify(world, challengeId, person.code())).status, 200);
});

test('a code of a mail or SMS alone is followed by the second factor too (CVE-2025-3910)', async () => {
  const person = await addProtected(world);
  await setTenant(world, { emailCodeSignIn: true });
  const { code } = await deps.codes.request('email-auth', `email:${person.email}`, {
    boundTo: person.id,
  });
  const body = { identifier: person.email, code };
  const answer = await call(world, '/auth/otp/verify', body);
  assertProblem(answer, 401, 'IDENT_MFA_REQUIRED');
  const { challengeId } = answer.body as { challengeId: string };
  const done = await verify(world, challengeId, person.code());
  assert.equal(done.status, 200, JSON.stringify(done.body));
  assert.deepEqual(claimsOf(done.body).amr, ['otp', 'mfa']);
});

test('the tenant that was asked for is that of the tokens after the second factor', async () => {
  const other = await deps.tenants.create({ slug: 'orchid', name: 'Orchid Clinic' });
  const person = await addProtected(world);
  await deps.users.addToTenant(other.id, person.id, []);
  const { challengeId } = await challenge(world, person, { tenant: 'orchid' });
  const { body } = await verify(world, challengeId, person.code());
  assert.equal(claimsOf(body).tid, other.id);
});

test('who has no factor and needs none is signed in by the password alone', async () => {
  const person = await addPerson(world);
  const { status, body } = await login(world, person);
  assert.equal(status, 200);
  assert.deepEqual([claimsOf(body).amr, claimsOf(body).acr], [['pwd'], acr('1fa')]);
  const app = await addApp(world, person);
  assert.deepEqual((await challenge(world, app)).methods, ['totp']);
});
