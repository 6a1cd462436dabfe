import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import type { Emit } from '../../kernel/events.ts';
import {
  type AttemptLimits,
  accountKey,
  type KnownBrowsers,
  type LockCheck,
  type Proof,
  type SignedIn,
  signInEvents,
} from '../sign-in/index.ts';
import type { UserService } from '../user/index.ts';
import type { Challenge, SecondFactorAnswer } from './challenge.ts';
import { type ChallengeStore, challengeGone, type OpenChallenge } from './challenge-store.ts';
import { mfaEvents } from './events.ts';
import { type Candidate, describeChallenge } from './gate.ts';
import type { createProving, Waiting } from './proving.ts';
import type { SecondFactorMethod } from './schema.ts';

/** What came of an answer, for metrics and the security log. */
type Result = 'success' | 'failure' | 'locked' | 'rate_limited';

export interface ChallengeDeps {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  store: ChallengeStore;
  proving: ReturnType<typeof createProving>;
  /** Budgets of wrong second factors, across challenges. */
  attempts: Pick<AttemptLimits, 'take'>;
  browsers: Pick<KnownBrowsers, 'recognise'>;
  users: Pick<UserService, 'findCandidate'>;
  locks: Pick<LockCheck, 'isLockedFor'>;
  /** The door of every sign-in. */
  admit(user: Candidate, proof: Proof): Promise<SignedIn>;
  onResult(result: Result, facts: { userId: string; tenantId: string }): void;
}

const DAY = 24 * 3_600_000;

/** Both proofs as one list (RFC 8176): `mfa` says that there was more than one. */
const joinAmr = (first: readonly string[], second: readonly string[]): string[] => [
  ...new Set([...first.filter((amr) => amr !== 'mfa'), ...second, 'mfa']),
];

/** What was proved before the challenge, and what is known to be wanted. */
export const proofOf = (challenge: OpenChallenge): Proof => ({
  amr: challenge.amr,
  passwordSetAt: challenge.provedPasswordSetAt,
  clientId: challenge.clientId,
  tenantId: challenge.wantedTenantId,
  ...('device' in challenge ? { device: challenge.device } : {}),
  acrValues: challenge.acrValues,
  authTime: challenge.authTime,
});

/** A sign-in that waits for its second factor, from its challenge to its end. */
export function createWaiting(deps: ChallengeDeps) {
  const { store } = deps;

  /**
   * The person behind a challenge. Whatever would have refused the password by now
   * ends the challenge: a closed account, another password; so does a reset or a
   * sign-out everywhere.
   * @throws AppError IDENT_TOKEN_SPENT, IDENT_LOCKED
   */
  async function findUser(challenge: OpenChallenge): Promise<Candidate> {
    const found = await deps.users.findCandidate(challenge.userId);
    const isOpen = found?.status === 'active' || found?.status === 'pending_verification';
    const setAt = found?.passwordSetAt?.getTime() ?? null;
    const outAt = found?.signedOutAt?.getTime() ?? null;
    const isSame = setAt === challenge.passwordSetAt && outAt === challenge.signedOutAt;
    if (!found || !isOpen || !isSame) {
      await store.end(challenge);
      throw challengeGone();
    }
    if (await deps.locks.isLockedFor(found, challenge.device)) throw new AppError('IDENT_LOCKED');
    return found;
  }

  async function find(challengeId: string): Promise<Waiting> {
    const challenge = await store.find(challengeId);
    const user = await findUser(challenge);
    return { challenge, user, browser: await deps.browsers.recognise(user, challenge.device) };
  }

  /**
   * Ends the challenge and signs in with what both have shown; another challenge
   * follows where that is not enough.
   * @param options `isShownOnce`: what was shown can be shown only once by itself, as an
   *   authenticator that was set up, so that a second tab may have ended the challenge
   * @throws AppError IDENT_TOKEN_SPENT, IDENT_MFA_REQUIRED
   */
  async function finish(
    { challenge }: Waiting,
    shown: readonly string[],
    { remember = false, isShownOnce = false } = {},
  ): Promise<SignedIn> {
    // As it is now: a factor takes its time, and much may have happened.
    const user = await findUser(challenge);
    if (!(await store.end(challenge)) && !isShownOnce) throw challengeGone();
    const days = remember ? challenge.rememberDays : 0;
    const signedIn = await deps.admit(user, {
      ...proofOf(challenge),
      amr: joinAmr(challenge.amr, shown),
      ...(days > 0 ? { rememberUntil: new Date(deps.clock.now() + days * DAY) } : {}),
    });
    deps.onResult('success', { userId: user.id, tenantId: user.tenantId });
    return signedIn;
  }

  return { find, finish };
}

/** @throws AppError IDENT_VALIDATION where a challenge does not take this method */
export function assertMethod({ methods }: OpenChallenge, method: SecondFactorMethod): void {
  if (methods.includes(method)) return;
  const errors = [{ path: 'method', message: 'is not among those of this challenge' }];
  throw new AppError('IDENT_VALIDATION', { errors });
}

/** Tries at challenges: three each, and a budget of the account across all. */
function createChallengeTries(deps: ChallengeDeps) {
  const { store } = deps;

  async function take({ challenge, user, browser }: Waiting, clientIp: string | null) {
    const account = accountKey(user.id);
    const facts = { userId: user.id, tenantId: user.tenantId };
    const taken = await deps.attempts.take({ clientIp, account, device: browser });
    if (taken.refusedBy !== null) {
      const isAccount = taken.refusedBy === 'account';
      deps.onResult(isAccount ? 'locked' : 'rate_limited', facts);
      const { retryAfter } = taken;
      throw new AppError(isAccount ? 'IDENT_LOCKED' : 'IDENT_RATE_LIMITED', { retryAfter });
    }
    try {
      await store.take(challenge);
    } catch (error) {
      await taken.giveBack();
      throw error;
    }
    return {
      lockedUntil: taken.lockedUntil,
      giveBack: async () => {
        await Promise.all([taken.giveBack(), store.giveBack(challenge)]);
      },
      right: () => taken.giveBack(),
    };
  }

  /** Counts a wrong answer, with the events that follow. @throws AppError IDENT_MFA_FAILED */
  async function fail(
    { challenge, user }: Waiting,
    method: SecondFactorMethod,
    lockedUntil: Date | null,
  ): Promise<never> {
    const left = await store.fail(challenge);
    const { id: userId, tenantId } = user;
    if (left === 0 || lockedUntil) {
      const facts = { subject: userId, tenantId, actorId: null };
      await deps.knex.transaction(async (trx) => {
        const { clientId } = challenge;
        if (left === 0) {
          await deps.emit(trx, mfaEvents.challengeFailed, facts, { userId, clientId, method });
        }
        if (lockedUntil) {
          const until = lockedUntil.toISOString();
          await deps.emit(trx, signInEvents.locked, facts, { userId, until });
        }
      });
    }
    deps.onResult('failure', { userId, tenantId });
    throw new AppError('IDENT_MFA_FAILED', { extensions: { triesLeft: Math.max(0, left) } });
  }

  return { take, fail };
}

/** Answers to challenges by what the person has enrolled. */
export function createAnswers(deps: ChallengeDeps, waiting: ReturnType<typeof createWaiting>) {
  const tries = createChallengeTries(deps);

  async function verify(
    challengeId: string,
    answer: SecondFactorAnswer,
    { clientIp, remember = false }: { clientIp: string | null; remember?: boolean },
  ): Promise<SignedIn> {
    const found = await waiting.find(challengeId);
    assertMethod(found.challenge, answer.method);
    const taken = await tries.take(found, clientIp);
    const shown = await deps.proving.check(found, answer).catch(async (error: unknown) => {
      // The answer was not looked at, so the try does not count.
      await taken.giveBack();
      throw error;
    });
    if (!shown) return tries.fail(found, answer.method, taken.lockedUntil);
    const [signedIn] = await Promise.all([
      waiting.finish(found, shown, { remember }),
      taken.right(),
    ]);
    return signedIn;
  }

  return {
    verify,
    find: async (challengeId: string): Promise<Challenge> =>
      describeChallenge((await waiting.find(challengeId)).challenge),
  };
}
