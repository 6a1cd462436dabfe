import type { Knex } from 'knex';
import { AppError } from '../../kernel/errors.ts';
import type { Emit } from '../../kernel/events.ts';
import type { Attempt, AttemptLimits, TakenAttempt } from './attempts.ts';
import type { Candidate } from './candidates.ts';
import { type FailureReason, signInEvents } from './events.ts';

export type SignInResult = 'success' | 'failure' | 'rate_limited' | 'locked' | 'busy';

export interface TryFacts {
  userId: string | null;
  tenantId: string | null;
}

export interface TryDeps {
  knex: Knex;
  emit: Emit<Knex.Transaction>;
  attempts: AttemptLimits;
  /** The headers that tell of the budget of an address. */
  limitHeaders(state: NonNullable<TakenAttempt['addressState']>): Record<string, string>;
  /** Told what came of each attempt, for metrics and the security log. */
  onResult(result: SignInResult, facts: TryFacts): void;
}

interface Failure {
  candidate: Pick<Candidate, 'id' | 'tenantId'> | undefined;
  clientId: string | null;
  reason: FailureReason;
  lockedUntil: Date | null;
}

/** What every way to sign in does with a try, whatever is proved by it. */
export function createTries(deps: TryDeps) {
  async function record({ candidate, clientId, reason, lockedUntil }: Failure): Promise<void> {
    const userId = candidate?.id ?? null;
    const tenantId = candidate?.tenantId ?? null;
    const facts = { subject: userId ?? 'unknown', tenantId, actorId: null };
    await deps.knex.transaction(async (trx) => {
      await deps.emit(trx, signInEvents.loginFailed, facts, { userId, clientId, reason });
      if (lockedUntil) {
        const until = lockedUntil.toISOString();
        await deps.emit(trx, signInEvents.locked, facts, { userId, until });
      }
    });
  }

  return {
    /**
     * Takes the attempt from its budgets before the proof is looked at.
     * @param atClosed the work of a proof that fails, for an account that is closed: its time must
     *   not tell that (ASVS 6.3.8)
     * @throws AppError IDENT_LOCKED, IDENT_RATE_LIMITED; what `atClosed` throws
     */
    async take(
      attempt: Attempt,
      facts: TryFacts,
      atClosed?: () => Promise<unknown>,
    ): Promise<TakenAttempt> {
      const taken = await deps.attempts.take(attempt);
      if (taken.refusedBy === null) return taken;
      const isAccount = taken.refusedBy === 'account';
      deps.onResult(isAccount ? 'locked' : 'rate_limited', facts);
      if (isAccount) await atClosed?.();
      throw new AppError(isAccount ? 'IDENT_LOCKED' : 'IDENT_RATE_LIMITED', {
        retryAfter: taken.retryAfter,
        ...(taken.addressState ? { headers: deps.limitHeaders(taken.addressState) } : {}),
      });
    },

    /** Records a try that failed, and the lockout if it was the last one for now. */
    async fail(failure: Failure): Promise<void> {
      await record(failure);
      const { candidate } = failure;
      deps.onResult('failure', {
        userId: candidate?.id ?? null,
        tenantId: candidate?.tenantId ?? null,
      });
    },

    /** Records a try at a closed account, whoever has it. */
    failClosed: (failure: Pick<Failure, 'candidate' | 'clientId'>): Promise<void> =>
      record({ ...failure, reason: 'locked', lockedUntil: null }),
  };
}
