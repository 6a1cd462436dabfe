import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { startConsumers } from '../../src/jobs.ts';
import { AppError } from '../../src/kernel/errors.ts';
import { createMailbox } from '../helpers/mailbox.ts';
import { createSmsGateway } from '../helpers/sms-gateway.ts';
import {
  addApp,
  addPerson,
  addProtected,
  call,
  challenge,
  createMfaWorld,
  login,
  MINUTE,
  type Person,
  setTenant,
  showCode,
  verify,
  wrong,
} from './mfa-support.ts';
import { assertProblem, codeIn } from './proof-support.ts';

/** What tenants decide: who needs a second factor, from when, by what, and for how long. */

const DAY = 24 * 60 * MINUTE;
const mailbox = await createMailbox();
const gateway = await createSmsGateway();
const world = await createMfaWorld({
  SMTP_URL: mailbox.url,
  OUTBOUND_ALLOWED_HOSTS: new URL(gateway.url).host,
});
const { deps, clock, people } = world;
const { knex } = deps.postgres;
startConsumers(deps);
await deps.configurations.set(
  { tenantId: null, group: 'SMS', key: 'provider' },
  {
    settings: {
      kind: 'http',
      url: `${gateway.url}/send`,
      headers: {},
      body: { type: 'json', template: { to: '{to}', text: '{text}' } },
    },
  },
);
const DEFAULTS = {
  ...{ mfaRequired: false, mfaGraceDays: 0, mfaRememberDays: 0 },
  ...{ mfaEmailCode: false, mfaSmsCode: false },
};
const claimsOf = (body: Record<string, unknown>) => decodeJwt(String(body.accessToken));
const post = (path: string, body: unknown) => call(world, `/auth/mfa/${path}`, body);

/** Sets an app up within the sign-in. */
async function setUp(challengeId: string) {
  const begun = await post('enroll/totp', { challengeId });
  assert.equal(begun.status, 200, JSON.stringify(begun.body));
  const { id, secret } = begun.body as { id: string; secret: string };
  const again = await post('enroll/totp', { challengeId });
  assert.deepEqual(again.body, begun.body, 'asked for twice, it is the same');
  const code = showCode(secret, clock.now());
  const missed = await post('enroll', { challengeId, type: 'totp', id, code: wrong(code) });
  assertProblem(missed, 400, 'IDENT_VALIDATION');
  return post('enroll', { challengeId, type: 'totp', id, code });
}

test('where the tenant demands it, who has no factor sets one up within the sign-in (ASVS 6.3.3)', async () => {
  await setTenant(world, { ...DEFAULTS, mfaRequired: true });
  const person = await addPerson(world);
  const due = await challenge(world, person);
  assert.deepEqual([due.methods, due.enroll], [[], ['webauthn', 'totp']]);
  assert.equal(due.mayPostpone, false);
  const refused = await post('postpone', { challengeId: due.challengeId });
  assertProblem(refused, 422, 'IDENT_INVALID_TRANSITION');
  const { status, body } = await setUp(due.challengeId);
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(claimsOf(body).amr, ['pwd', 'otp', 'mfa']);
  assert.equal((body.recoveryCodes as unknown as string[]).length, 10);
  assert.deepEqual((await challenge(world, person)).methods, ['totp', 'recovery-code']);
});

test('it can be put off within the grace period, which begins when the person is first told', async () => {
  await setTenant(world, { ...DEFAULTS, mfaRequired: true, mfaGraceDays: 7 });
  const person = await addPerson(world);
  const first = await challenge(world, person);
  const until = new Date(clock.now() + 7 * DAY).toISOString();
  assert.deepEqual([first.mayPostpone, first.postponeUntil], [true, until]);
  const { status, body } = await post('postpone', { challengeId: first.challengeId });
  assert.equal(status, 200);
  assert.equal(claimsOf(body).acr, 'urn:gatehouse:acr:1fa');
  assertProblem(
    await post('postpone', { challengeId: first.challengeId }),
    422,
    'IDENT_TOKEN_SPENT',
  );
  clock.advance(6 * DAY);
  const later = await challenge(world, person);
  assert.equal(later.postponeUntil, until);
  // What a request asks for is not put off by what a tenant lets.
  const asked = await challenge(world, person, { acrValues: ['urn:gatehouse:acr:2fa'] });
  assert.equal(asked.mayPostpone, false);
  clock.advance(DAY);
  const last = await challenge(world, person);
  assert.deepEqual([last.mayPostpone, last.postponeUntil], [false, null]);
  assertProblem(
    await post('postpone', { challengeId: last.challengeId }),
    422,
    'IDENT_INVALID_TRANSITION',
  );
});

test('who has got a factor since neither puts it off nor adds another by the password alone (CVE-2025-64103)', async () => {
  await setTenant(world, { ...DEFAULTS, mfaRequired: true, mfaGraceDays: 7 });
  const person = await addPerson(world);
  const [one, two] = [await challenge(world, person), await challenge(world, person)];
  const begun = await post('enroll/totp', { challengeId: two.challengeId });
  await addApp(world, person);
  assertProblem(await post('postpone', { challengeId: one.challengeId }), 422, 'IDENT_TOKEN_SPENT');
  const { id, secret } = begun.body as { id: string; secret: string };
  const code = showCode(secret, clock.now());
  const { challengeId } = two;
  const added = await post('enroll', { challengeId, type: 'totp', id, code });
  assertProblem(added, 422, 'IDENT_TOKEN_SPENT');
  assert.equal((await deps.authenticators.list(person)).length, 1);
});

test('a code by mail is a factor only where the tenant insists, and of people without a better one (ASVS 6.3.6)', async () => {
  await setTenant(world, { ...DEFAULTS, mfaRequired: true, mfaEmailCode: true });
  const person = await addPerson(world);
  const due = await challenge(world, person);
  assert.deepEqual([due.methods, due.enroll], [['email'], []]);
  assert.deepEqual(due.sentTo, { email: `f•••@lotus.example`, sms: null });
  const { challengeId } = due;
  assertProblem(await post('code', { challengeId, method: 'sms' }), 400, 'IDENT_VALIDATION');
  assert.equal((await post('code', { challengeId, method: 'email' })).status, 202);
  const again = await post('code', { challengeId, method: 'email' });
  assertProblem(again, 429, 'IDENT_RATE_LIMITED');
  const mail = await mailbox.take(person.email);
  assert.match(mail.subject, /second step/);
  const code = codeIn(mail);
  // A code belongs to its sign-in (ASVS 6.6.2).
  const other = await challenge(world, person);
  const elsewhere = await verify(world, other.challengeId, code, 'email');
  assertProblem(elsewhere, 401, 'IDENT_MFA_FAILED');
  const missed = await verify(world, challengeId, wrong(code), 'email');
  assertProblem(missed, 401, 'IDENT_MFA_FAILED');
  const { status, body } = await verify(world, challengeId, code, 'email');
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(claimsOf(body).amr, ['pwd', 'otp', 'mfa']);
  const app = await addApp(world, person);
  assert.deepEqual((await challenge(world, app)).methods, ['totp']);
});

test('a code by SMS says so in amr; one to an address that changed meanwhile opens nothing', async () => {
  await setTenant(world, { ...DEFAULTS, mfaRequired: true, mfaSmsCode: true });
  const phone = '+84909000001';
  const person = await addPerson(world, { phone });
  // A number that nobody has proved is no factor: one is to be set up.
  assert.deepEqual((await challenge(world, person)).methods, []);
  await knex('users')
    .where({ id: person.id })
    .update({ phone_verified_at: new Date(clock.now()) });
  const { challengeId, sentTo } = await challenge(world, person);
  assert.deepEqual(sentTo, { email: null, sms: '+84•••001' });
  assert.equal((await post('code', { challengeId, method: 'sms' })).status, 202);
  const { to, text } = JSON.parse((await gateway.take()).body) as { to: string; text: string };
  assert.equal(to, phone);
  const code = codeIn({ text });
  await knex('users').where({ id: person.id }).update({ phone: '+84909000002' });
  assertProblem(await verify(world, challengeId, code, 'sms'), 401, 'IDENT_MFA_FAILED');
  await knex('users').where({ id: person.id }).update({ phone });
  const { body } = await verify(world, challengeId, code, 'sms');
  assert.deepEqual(claimsOf(body).amr, ['pwd', 'sms', 'mfa']);
});

/** Signs in in a browser with this device cookie; undefined where a second factor is due. */
async function signInWith({ email, password }: Person, device: string | null, acr?: string) {
  return deps.signIn
    .withPassword({
      ...{ identifier: email, password, device, organisation: null, tenantId: null },
      ...{ clientId: null, clientIp: null, acrValues: acr === undefined ? undefined : [acr] },
    })
    .catch((error: unknown) => {
      if (!(error instanceof AppError) || error.code !== 'IDENT_MFA_REQUIRED') throw error;
      return { challengeId: String(error.options.extensions?.challengeId) };
    });
}

async function rememberedDevice(person: Person, remember = true): Promise<string> {
  const due = await signInWith(person, null);
  assert.ok('challengeId' in due);
  const answer = { method: 'totp', code: person.code() } as const;
  const signedIn = await deps.mfa.verify(due.challengeId, answer, { clientIp: null, remember });
  return signedIn.device ?? assert.fail('no device cookie');
}

const isAsked = async (person: Person, device: string | null, acr?: string): Promise<boolean> =>
  'challengeId' in ((await signInWith(person, device, acr)) ?? {});

test('a browser is remembered only where the tenant allows it, for one account, and not for requests that need more', async () => {
  await setTenant(world, DEFAULTS);
  const person = await addProtected(world);
  const never = await rememberedDevice(person);
  assert.equal(await isAsked(person, never), true);
  await setTenant(world, { mfaRememberDays: 30 });
  assert.equal(await isAsked(person, never), true, 'it was not allowed then');
  const unwanted = await rememberedDevice(person, false);
  assert.equal(await isAsked(person, unwanted), true, 'it was not wanted');
  const device = await rememberedDevice(person);
  assert.equal(await isAsked(person, device), false);
  assert.equal(await isAsked(person, null), true, 'the cookie is what is remembered');
  assert.equal(await isAsked(person, device, 'urn:gatehouse:acr:2fa'), true);
  const other = await addProtected(world);
  assert.equal(await isAsked(other, device), true, 'of another account it says nothing');
  await setTenant(world, { mfaRememberDays: 0 });
  assert.equal(await isAsked(person, device), true, 'the tenant has changed its mind');
  await setTenant(world, { mfaRememberDays: 30 });
  clock.advance(31 * DAY);
  assert.equal(await isAsked(person, device), true);
});

test('who may be remembered is asked again once factors or the password have changed (ASVS 6.4.3)', async () => {
  await setTenant(world, { ...DEFAULTS, mfaRememberDays: 30 });
  const person = await addProtected(world);
  const device = await rememberedDevice(person);
  assert.equal(await isAsked(person, device), false);
  await addApp(world, person);
  assert.equal(await isAsked(person, device), true);
  const next = await rememberedDevice(person);
  assert.equal(await isAsked(person, next), false);
  person.password = 'another password of theirs';
  await deps.users.setPassword(person.tenantId, person.id, person.password);
  assert.equal(await isAsked(person, next), true);
});

test('a password that was reset signs nobody in without the second factor (ASVS 6.4.3)', async () => {
  await setTenant(world, { ...DEFAULTS, mfaRememberDays: 30 });
  const person = await addProtected(world);
  const device = await rememberedDevice(person);
  const before = await challenge(world, person);
  const { email: identifier } = person;
  clock.advance(MINUTE);
  assert.equal((await call(world, '/auth/password/forgot', { identifier })).status, 202);
  const { text } = await mailbox.take(identifier, /password/i);
  const password = 'a third password of theirs';
  const reset = await call(world, '/auth/password/reset', {
    ...{ identifier, password },
    code: codeIn({ text }),
  });
  assert.equal(reset.status, 204, JSON.stringify(reset.body));
  const late = await verify(world, before.challengeId, person.code());
  assertProblem(late, 422, 'IDENT_TOKEN_SPENT');
  person.password = password;
  assertProblem(await login(world, person), 401, 'IDENT_MFA_REQUIRED');
  assert.equal(await isAsked(person, device), true);
  assert.equal(people.tenantId, person.tenantId);
});

test('a reset of factors ends challenges that were open, whatever they had been shown (ASVS 6.4.4)', async () => {
  const person = await addApp(world, await addPerson(world));
  const first = await challenge(world, person, { acrValues: ['urn:gatehouse:acr:phr'] });
  const shown = await verify(world, first.challengeId, person.code());
  assertProblem(shown, 401, 'IDENT_MFA_REQUIRED');
  const { challengeId, enroll } = shown.body;
  assert.deepEqual(enroll, ['webauthn']);
  clock.advance(2_000);
  await deps.mfaReset.reset(person.tenantId, person.id);
  assertProblem(await post('enroll/webauthn/options', { challengeId }), 422, 'IDENT_TOKEN_SPENT');
});
