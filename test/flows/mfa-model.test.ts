import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../helpers/fast-check.ts';
import {
  addPerson,
  addProtected,
  call,
  createMfaWorld,
  login,
  MINUTE,
  type Person,
  showCode,
  verify,
  wrong,
} from './mfa-support.ts';
import type { Answer } from './support.ts';

/**
 * Any order of steps, of two people in parallel, never leads to tokens without the
 * factors that policy demands, and the right order always does.
 */

const world = await createMfaWorld();
const { deps, clock } = world;
const MOST_WRONG = 3;

type Who = 'protected' | 'bare';

/** A challenge as the model has it. */
interface Slot {
  id: string;
  who: Who;
  isOpen: boolean;
  wrong: number;
  expiresAt: number;
  setUp?: { id: string; secret: string };
}

interface Model {
  people: Record<Who, Person>;
  slots: Slot[];
  /** Somebody without a factor has set one up by now. */
  isEnrolled: boolean;
}

const isGood = ({ isOpen, wrong: tries, expiresAt }: Slot): boolean =>
  isOpen && tries < MOST_WRONG && expiresAt > clock.now();

/** Fails unless there are tokens exactly where the model says so; a closed account gives none. */
function assertTokens({ status, body }: Answer, expected: boolean, what: string): boolean {
  const got = status === 200 && 'accessToken' in body;
  if (got) assert.ok(expected, `${what} gave tokens`);
  else if (expected) assert.equal(body.code, 'IDENT_LOCKED', `${what}: ${JSON.stringify(body)}`);
  assert.equal('refreshToken' in body, got);
  return got;
}

type Step = (model: Model) => Promise<void>;

const begin =
  (who: Who): Step =>
  async ({ people, slots }) => {
    const more = who === 'bare' ? { acrValues: ['urn:gatehouse:acr:2fa'] } : {};
    const answer = await login(world, people[who], more);
    assertTokens(answer, false, 'a password');
    if (answer.body.code === 'IDENT_MFA_REQUIRED') {
      const id = String(answer.body.challengeId);
      slots.push({ id, who, isOpen: true, wrong: 0, expiresAt: clock.now() + 5 * MINUTE });
    }
  };

const at =
  (index: number, work: (model: Model, slot: Slot) => Promise<void>): Step =>
  async (model) => {
    const slot = model.slots.at(index);
    if (slot) await work(model, slot);
  };

const answerRight = (index: number): Step =>
  at(index, async ({ people }, slot) => {
    // Codes of the app that is set up in here are for its own step.
    if (slot.who === 'bare') return;
    const isExpected = isGood(slot);
    const got = await verify(world, slot.id, people.protected.code());
    if (assertTokens(got, isExpected, 'a right code')) slot.isOpen = false;
  });

const answerWrong = (index: number): Step =>
  at(index, async ({ people }, slot) => {
    const got = await verify(world, slot.id, wrong(people.protected.code()));
    assertTokens(got, false, 'a wrong code');
    if (got.body.code === 'IDENT_MFA_FAILED') slot.wrong += 1;
  });

const beginSetUp = (index: number): Step =>
  at(index, async (_model, slot) => {
    const got = await call(world, '/auth/mfa/enroll/totp', { challengeId: slot.id });
    assertTokens(got, false, 'beginning to set up');
    if (got.status === 200) slot.setUp = got.body as unknown as { id: string; secret: string };
  });

const endSetUp = (index: number, isRight: boolean): Step =>
  at(index, async (model, slot) => {
    const { id = crypto.randomUUID(), secret = 'A'.repeat(32) } = slot.setUp ?? {};
    const code = showCode(secret, clock.now());
    const body = { challengeId: slot.id, type: 'totp', id, code: isRight ? code : wrong(code) };
    const got = await call(world, '/auth/mfa/enroll', body);
    const newest = model.slots.findLast((one) => one.setUp !== undefined);
    // A seed that was begun later takes the place of this one, unless it is the same.
    const isCurrent = slot.setUp !== undefined && newest?.setUp?.id === slot.setUp.id;
    const isPossible = isRight && slot.who === 'bare' && !model.isEnrolled && isGood(slot);
    if (got.status === 200) assert.ok(isPossible && slot.setUp, 'set up without being allowed to');
    if (isPossible && isCurrent) assert.equal(got.status, 200, JSON.stringify(got.body));
    if (got.status === 200) {
      model.isEnrolled = true;
      slot.isOpen = false;
    }
  });

const refused = (index: number, path: string): Step =>
  at(index, async (_model, slot) => {
    assertTokens(await call(world, path, { challengeId: slot.id }), false, path);
  });

const changePassword: Step = async ({ people, slots }) => {
  const { id, tenantId, password } = people.protected;
  people.protected.password = `${password}!`;
  await deps.users.setPassword(tenantId, id, people.protected.password);
  for (const slot of slots) if (slot.who === 'protected') slot.isOpen = false;
};

const wait: Step = async () => clock.advance(2 * MINUTE);

/** Several steps in a row, so that what takes several is not left to luck. */
const inOrder =
  (...all: Step[]): Step =>
  async (model) => {
    for (const step of all) await step(model);
  };

const failThrice = (which: number): Step =>
  inOrder(answerWrong(which), answerWrong(which), answerWrong(which));
const setUpWhole = (which: number): Step => inOrder(beginSetUp(which), endSetUp(which, true));

const index = fc.constantFrom(-1, -1, -1, -2);
const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(begin('protected')) },
    { weight: 2, arbitrary: fc.constant(begin('bare')) },
    { weight: 4, arbitrary: index.map(answerRight) },
    { weight: 2, arbitrary: index.map(answerWrong) },
    { weight: 1, arbitrary: index.map(failThrice) },
    { weight: 2, arbitrary: index.map(setUpWhole) },
    { weight: 1, arbitrary: index.map(beginSetUp) },
    { weight: 1, arbitrary: fc.tuple(index, fc.boolean()).map((args) => endSetUp(...args)) },
    { weight: 1, arbitrary: index.map((one) => refused(one, '/auth/mfa/postpone')) },
    { weight: 1, arbitrary: index.map((one) => refused(one, '/auth/mfa/options')) },
    { weight: 1, arbitrary: fc.constant(changePassword) },
    { weight: 1, arbitrary: fc.constant(wait) },
  ),
  { minLength: 10, maxLength: 24, size: 'max' },
);

test('no order of steps signs in without the factors that are demanded (ASVS 2.3.1, CVE-2025-3910, CVE-2025-64103)', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const people = { protected: await addProtected(world), bare: await addPerson(world) };
      const model: Model = { people, slots: [], isEnrolled: false };
      for (const step of sequence) await step(model);
    }),
    { numRuns: 24, endOnFailure: true },
  );
});
