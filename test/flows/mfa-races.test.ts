import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '../../src/kernel/errors.ts';
import { createAuthenticator } from '../helpers/authenticator.ts';
import {
  addPerson,
  addProtected,
  call,
  challenge,
  createMfaWorld,
  eventsOf,
  MINUTE,
  type Person,
  showCode,
  verify,
  wrong,
} from './mfa-support.ts';
import { assertProblem } from './proof-support.ts';
import type { Answer } from './support.ts';

/** Second factors under fire: guesses and answers in parallel (CVE-2024-4629, CVE-2025-64102). */

const world = await createMfaWorld();
const { deps, clock, url } = world;

const times = <T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)));

/** How many answered with this code; null: tokens. */
const count = (answers: Answer[], code: string | null): number =>
  answers.filter(({ status, body }) => (status === 200 ? null : body.code) === code).length;

const typesOf = async (person: Person, type: string): Promise<number> =>
  (await eventsOf(world, person.id)).filter((one) => one === `identity.user.${type}.v1`).length;

test('fifty wrong answers at once get three tries of a challenge, and end it once (ASVS 6.6.3)', async () => {
  const person = await addProtected(world);
  const { challengeId } = await challenge(world, person);
  const code = person.code();
  const answers = await times(50, (index) => verify(world, challengeId, wrong(code, index + 1)));
  assert.equal(count(answers, 'IDENT_MFA_FAILED'), 3);
  const refused = count(answers, 'IDENT_TOKEN_SPENT') + count(answers, 'IDENT_LOCKED');
  assert.equal(refused, 47);
  assert.equal(await typesOf(person, 'mfa_challenge_failed'), 1);
  assertProblem(await verify(world, challengeId, code), 422, 'IDENT_TOKEN_SPENT');
});

test('fifty wrong answers across challenges get ten tries of an account; then even the right one waits', async () => {
  const person = await addProtected(world);
  const ids: string[] = [];
  for (let i = 0; i < 5; i += 1) ids.push((await challenge(world, person)).challengeId);
  const code = person.code();
  const answers = await times(50, (index) =>
    verify(world, String(ids[index % 5]), wrong(code, index + 1)),
  );
  const failed = count(answers, 'IDENT_MFA_FAILED');
  assert.ok(failed > 0 && failed <= 10, String(failed));
  for (let left = 10 - failed; left > 0; left -= 1) {
    const { challengeId } = await challenge(world, person);
    assertProblem(await verify(world, challengeId, wrong(code, 99)), 401, 'IDENT_MFA_FAILED');
  }
  const closed = await challenge(world, person);
  const waits = await verify(world, closed.challengeId, person.code());
  assertProblem(waits, 423, 'IDENT_LOCKED');
  assert.ok(Number(waits.headers.get('retry-after')) > 60);
  assert.ok((await typesOf(person, 'locked')) >= 1);
  clock.advance(16 * MINUTE);
  const open = await challenge(world, person);
  assert.equal((await verify(world, open.challengeId, person.code())).status, 200);
});

test('an operator opens what wrong second factors have closed', async () => {
  const person = await addProtected(world);
  for (let i = 0; i < 10; i += 1) {
    const { challengeId } = await challenge(world, person);
    await verify(world, challengeId, wrong(person.code()));
  }
  const { challengeId } = await challenge(world, person);
  assertProblem(await verify(world, challengeId, person.code()), 423, 'IDENT_LOCKED');
  await deps.signIn.unlock(person.tenantId, person.id);
  assert.equal((await verify(world, challengeId, person.code())).status, 200);
});

test('one challenge answered fifty times at once signs in once (ASVS 6.5.1)', async () => {
  const person = await addProtected(world);
  const codes = await deps.recoveryCodes.generate(person);
  const sessions = () => deps.sessions.list(person.tenantId, person.id);
  const one = await challenge(world, person);
  const code = person.code();
  const same = await times(50, () => verify(world, one.challengeId, code));
  assert.equal(count(same, null), 1);
  assert.equal((await sessions()).length, 1);
  clock.advance(16 * MINUTE);
  // Each of these codes is right: it is the challenge that is spent.
  const two = await challenge(world, person);
  const each = await times(10, (index) =>
    verify(world, two.challengeId, String(codes[index]), 'recovery-code'),
  );
  assert.equal(count(each, null), 1);
  assert.equal((await sessions()).length, 2);
});

test('of two authenticators that a password sets up at once one is, and signs in; the other challenge has ended', async () => {
  const person = await addPerson(world);
  const acrValues = ['urn:gatehouse:acr:2fa'];
  const app = await challenge(world, person, { acrValues });
  const key = await challenge(world, person, { acrValues });
  const begun = await call(world, '/auth/mfa/enroll/totp', { challengeId: app.challengeId });
  const { id, secret } = begun.body as { id: string; secret: string };
  const { body: options } = await call(world, '/auth/mfa/enroll/webauthn/options', {
    challengeId: key.challengeId,
  });
  const device = createAuthenticator({ origin: url });
  const response = device.create(options as unknown as Parameters<typeof device.create>[0]);
  const answers = await Promise.all([
    call(world, '/auth/mfa/enroll', {
      ...{ challengeId: app.challengeId, type: 'totp', id },
      code: showCode(secret, clock.now()),
    }),
    call(world, '/auth/mfa/enroll', {
      ...{ challengeId: key.challengeId, type: 'webauthn', response },
    }),
  ]);
  assert.equal(count(answers, null), 1, JSON.stringify(answers.map(({ body }) => body)));
  assert.equal(count(answers, 'IDENT_TOKEN_SPENT'), 1);
  assert.equal((await deps.authenticators.list(person)).length, 1);
  const [won] = answers.filter(({ status }) => status === 200);
  assert.equal(new Set(won?.body.recoveryCodes as unknown as string[]).size, 10);
  assert.equal((await deps.sessions.list(person.tenantId, person.id)).length, 1);
  for (const { challengeId } of [app, key]) {
    const late = await call(world, '/auth/mfa/enroll/webauthn/options', { challengeId });
    assertProblem(late, 422, 'IDENT_TOKEN_SPENT');
  }
});

/** The challenge that a password leads to in a browser with this device cookie. */
async function challengeIn({ email, password }: Person, device: string | null): Promise<string> {
  try {
    await deps.signIn.withPassword({
      ...{ identifier: email, password, device, organisation: null, tenantId: null },
      ...{ clientId: null, clientIp: null },
    });
  } catch (error) {
    assert.ok(error instanceof AppError && error.code === 'IDENT_MFA_REQUIRED', String(error));
    return String(error.options.extensions?.challengeId);
  }
  return assert.fail('no second factor was asked for');
}

let addresses = 0;
const answer = (id: string, code: string) => {
  addresses += 1;
  const clientIp = `203.0.113.${addresses}`;
  return deps.mfa.verify(id, { method: 'totp', code }, { clientIp });
};

test('a browser that the account knows has tries of its own: a stranger with the password closes it to others only (ASVS 6.1.1)', async () => {
  const person = await addProtected(world);
  const { device = null } = await answer(await challengeIn(person, null), person.code());
  for (let i = 0; i < 10; i += 1) {
    await assert.rejects(answer(await challengeIn(person, null), wrong(person.code())));
  }
  await assert.rejects(
    answer(await challengeIn(person, null), person.code()),
    (error) => error instanceof AppError && error.code === 'IDENT_LOCKED',
  );
  const signedIn = await answer(await challengeIn(person, device), person.code());
  assert.deepEqual(signedIn.amr, ['pwd', 'otp', 'mfa']);
});
