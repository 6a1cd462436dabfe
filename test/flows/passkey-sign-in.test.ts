import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { createAuthenticator } from '../helpers/authenticator.ts';
import { callApi } from './auth-support.ts';
import { createPasskeyFlows } from './passkey-support.ts';
import { assertProblem, shapeOf } from './proof-support.ts';
import type { Answer } from './support.ts';

/** Signing in by a passkey alone, and by one after a password, through the JSON API. */

const world = await createPasskeyFlows();
const { url, deps, clock, people, call, enrol, answer, enter } = world;

const claimsOf = ({ status, body }: Answer) => {
  assert.equal(status, 200, JSON.stringify(body));
  return decodeJwt(String(body.accessToken));
};

const PHR = 'urn:gatehouse:acr:phr';

test('a passkey signs its owner in without a name: phishing-resistant, two factors by itself', async () => {
  const { id, device } = await enrol();
  const claims = claimsOf(await enter(device));
  assert.equal(claims.sub, id);
  assert.deepEqual(claims.amr, ['webauthn', 'hwk', 'user', 'mfa']);
  assert.equal(claims.acr, PHR);
  const synced = await world.signIn();
  const kept = createAuthenticator({ origin: url, isSyncedType: true, isBackedUp: true });
  await world.register(synced.token, kept);
  assert.deepEqual(claimsOf(await enter(kept)).amr, ['webauthn', 'swk', 'user', 'mfa']);
});

test('a passkey reaches any class that is asked for, and the one asked for is told', async () => {
  const { device } = await enrol();
  for (const acr of [PHR, 'urn:gatehouse:acr:2fa', 'urn:gatehouse:acr:1fa']) {
    const body = { ...(await answer(device)), acrValues: [acr] };
    assert.equal(claimsOf(await call('/auth/passkey/verify', body)).acr, acr);
  }
});

test('a tenant that insists on a second factor is content with a passkey alone', async () => {
  const tenant = await deps.tenants.create({ slug: 'strict', name: 'Strict' });
  await deps.tenants.updateSettings(tenant.id, { mfaRequired: true });
  const { id, device } = await enrol();
  await deps.users.addToTenant(tenant.id, id, []);
  const body = { ...(await answer(device)), tenant: 'strict' };
  const claims = claimsOf(await call('/auth/passkey/verify', body));
  assert.equal(claims.tid, tenant.id);
});

test('options are the same for everybody and name nobody', async () => {
  const first = await call('/auth/passkey/options');
  const options = first.body.options as unknown as Record<string, unknown>;
  assert.deepEqual(options.allowCredentials, []);
  assert.equal(options.rpId, 'localhost');
  assert.equal(options.userVerification, 'required');
});

test('whatever is wrong, the answer is the same', async () => {
  const { id, tenantId, device } = await enrol();
  const suspended = await enrol();
  await deps.lifecycle.suspend({ tenantId: suspended.tenantId, userId: suspended.id });
  const removed = await enrol();
  const { knex } = deps.postgres;
  await knex.transaction((trx) => deps.webauthn.removeAll(trx, removed, 'administrator'));
  const other = await deps.tenants.create({ slug: 'other', name: 'Other' });
  assert.notEqual(other.id, tenantId);
  const forged = createAuthenticator({ origin: url, credentialId: device.credentialId });
  const stale = await answer(device);
  await call('/auth/passkey/verify', stale);

  const refused = await Promise.all([
    enter(createAuthenticator({ origin: url }), { userHandle: 'AAAA' }),
    enter(suspended.device),
    enter(removed.device),
    enter(forged, { userHandle: device.handle }),
    enter(device, { origin: 'https://evil.example' }),
    enter(device, { rpId: 'evil.example' }),
    enter(device, { isVerified: false }),
    enter(device, { userHandle: null }),
    call('/auth/passkey/verify', stale),
    call('/auth/passkey/verify', { ...(await answer(device)), ceremonyId: 'another' }),
    call('/auth/passkey/verify', { ...(await answer(device)), tenant: 'other' }),
    call('/auth/passkey/verify', { ...(await answer(device)), tenant: 'nobody-has-this' }),
  ]);
  for (const one of refused) {
    assertProblem(one, 401, 'IDENT_INVALID_CREDENTIALS');
    assert.deepEqual(shapeOf(one), shapeOf(refused[0] as Answer));
  }
  assert.equal(claimsOf(await enter(device)).sub, id);
});

test('of copies of one assertion in parallel, one signs in', async () => {
  const { device } = await enrol();
  const body = await answer(device);
  const all = await Promise.all(
    Array.from({ length: 5 }, () => call('/auth/passkey/verify', body)),
  );
  assert.equal(all.filter(({ status }) => status === 200).length, 1);
});

test('an account that failed tries have closed opens by no passkey, until they are forgotten (CVE-2026-9798)', async () => {
  const { email, device, password } = await enrol();
  for (let tries = 0; tries < 10; tries += 1) {
    await call('/auth/login', { identifier: email, password: 'wrong' });
  }
  const login = { identifier: email, password };
  assertProblem(await call('/auth/login', login), 423, 'IDENT_LOCKED');
  const locked = await enter(device);
  assertProblem(locked, 423, 'IDENT_LOCKED');
  assert.ok(Number(locked.headers.get('retry-after')) > 0);
  clock.advance(15 * 60_000);
  claimsOf(await enter(device));
});

test('an address has six failed tries in five minutes; those that succeed cost nothing', async () => {
  const { device } = await enrol();
  const address = '203.0.113.7';
  for (let use = 0; use < 8; use += 1) claimsOf(await enter(device, {}, address));
  const stranger = createAuthenticator({ origin: url });
  for (let tries = 0; tries < 6; tries += 1) {
    const answered = await enter(stranger, { userHandle: 'AAAA' }, address);
    assertProblem(answered, 401, 'IDENT_INVALID_CREDENTIALS');
  }
  const refused = await enter(device, {}, address);
  assertProblem(refused, 429, 'IDENT_RATE_LIMITED');
  assert.ok(refused.headers.get('retry-after'));
  claimsOf(await enter(device));
});

test('wrong assertions close nobody’s account: an id of a credential is no secret', async () => {
  const { email, password, device } = await enrol();
  for (let tries = 0; tries < 12; tries += 1) {
    const forged = createAuthenticator({ origin: url, credentialId: device.credentialId });
    await enter(forged, { userHandle: device.handle, counter: 0 });
  }
  const login = await call('/auth/login', { identifier: email, password });
  assertProblem(login, 401, 'IDENT_MFA_REQUIRED');
  claimsOf(await enter(device));
});

test('an account whose address waits for its proof is refused, where the tenant asks for that', async () => {
  const { id, device } = await enrol();
  await deps.postgres.knex('users').where({ id }).update({ status: 'pending_verification' });
  await deps.tenants.updateSettings(people.tenantId, { requireVerifiedEmail: true });
  assertProblem(await enter(device), 401, 'IDENT_INVALID_CREDENTIALS');
  await deps.tenants.updateSettings(people.tenantId, { requireVerifiedEmail: false });
  clock.advance(2_000);
  claimsOf(await enter(device));
});

test('after a password a passkey is the second factor, and both are told', async () => {
  const { email, password, device } = await enrol();
  const login = await call('/auth/login', { identifier: email, password });
  assertProblem(login, 401, 'IDENT_MFA_REQUIRED');
  const { challengeId } = login.body;
  const options = await call('/auth/mfa/options', { challengeId });
  const answering = options.body as unknown as Parameters<typeof device.get>[0] & {
    allowCredentials: { id: string }[];
  };
  assert.deepEqual(
    answering.allowCredentials.map(({ id }) => id),
    [device.id],
  );
  const body = { challengeId, method: 'webauthn', response: device.get(answering) };
  const claims = claimsOf(await call('/auth/mfa/verify', body));
  assert.deepEqual(claims.amr, ['pwd', 'webauthn', 'hwk', 'user', 'mfa']);
  assert.equal(claims.acr, PHR);
});

test('an assertion for the second factor opens nothing as the first, nor the other way round (ASVS 6.7.2)', async () => {
  const { email, password, device } = await enrol();
  const login = await call('/auth/login', { identifier: email, password });
  const { challengeId } = login.body;
  const options = await call('/auth/mfa/options', { challengeId });
  const ofSecond = device.get(options.body as unknown as Parameters<typeof device.get>[0]);
  const { ceremonyId, response: ofFirst } = await answer(device);
  const asFirst = await call('/auth/passkey/verify', { ceremonyId, response: ofSecond });
  assertProblem(asFirst, 401, 'IDENT_INVALID_CREDENTIALS');
  const body = { challengeId, method: 'webauthn', response: ofFirst };
  assertProblem(await call('/auth/mfa/verify', body), 401, 'IDENT_MFA_FAILED');
});

test('a cloned passkey opens nothing any more, for either holder, and the incident is told', async () => {
  const person = await world.signIn();
  const device = createAuthenticator({ origin: url, counter: 7 });
  assert.equal((await world.register(person.token, device)).status, 200);
  claimsOf(await enter(device, { counter: 20 }));
  assertProblem(await enter(device, { counter: 20 }), 401, 'IDENT_INVALID_CREDENTIALS');
  assertProblem(await enter(device, { counter: 21 }), 401, 'IDENT_INVALID_CREDENTIALS');
  const listed = await callApi(url, 'GET', '/me/mfa', { token: person.token });
  const [shown] = listed.body.authenticators as unknown as { disabled: boolean }[];
  assert.equal(shown?.disabled, true);
  const incidents = await deps.postgres
    .knex('outbox_events')
    .where({ subject: person.id, type: 'identity.user.security_incident.v1' });
  assert.equal(incidents.length, 1);
});

test('cloning the only authenticator does not bring an account back to its password (ASVS 6.3.4)', async () => {
  const person = await world.signIn();
  const device = createAuthenticator({ origin: url, counter: 7 });
  const registered = await world.register(person.token, device);
  const [recoveryCode] = registered.body.recoveryCodes as unknown as string[];
  claimsOf(await enter(device, { counter: 20 }));
  assertProblem(await enter(device, { counter: 20 }), 401, 'IDENT_INVALID_CREDENTIALS');
  const { email: identifier, password } = person;
  const login = await call('/auth/login', { identifier, password });
  assertProblem(login, 401, 'IDENT_MFA_REQUIRED');
  const { challengeId, methods, enroll } = login.body;
  assert.deepEqual([methods, enroll], [['recovery-code'], []]);
  const body = { challengeId, method: 'recovery-code', code: recoveryCode };
  assert.ok((claimsOf(await call('/auth/mfa/verify', body)).amr as string[]).includes('mfa'));
});

test('of whoever takes the last authenticator that works away, blocked ones go with it', async () => {
  const person = await world.signIn();
  const device = createAuthenticator({ origin: url, counter: 7 });
  assert.equal((await world.register(person.token, device)).status, 200);
  const spare = createAuthenticator({ origin: url });
  const kept = await world.register(person.token, spare);
  assert.equal(kept.status, 200);
  claimsOf(await enter(device, { counter: 20 }));
  assertProblem(await enter(device, { counter: 20 }), 401, 'IDENT_INVALID_CREDENTIALS');
  const { id } = kept.body.authenticator as unknown as { id: string };
  const owner = { id: person.id, tenantId: person.tenantId };
  await deps.tenants.updateSettings(person.tenantId, { mfaRequired: true });
  await assert.rejects(deps.authenticators.remove(owner, id), { code: 'IDENT_INVALID_TRANSITION' });
  await deps.tenants.updateSettings(person.tenantId, { mfaRequired: false });
  world.clock.advance(2_000);
  await deps.authenticators.remove(owner, id);
  assert.deepEqual(await deps.authenticators.list(owner), []);
  const { email: identifier, password } = person;
  assert.equal((await call('/auth/login', { identifier, password })).status, 200);
});

test('malformed answers are refused at the edge', async () => {
  for (const body of [{}, { ceremonyId: 'x' }, { ceremonyId: 'x', response: { id: 'x' } }]) {
    assertProblem(await call('/auth/passkey/verify', body), 400, 'IDENT_VALIDATION');
  }
});
