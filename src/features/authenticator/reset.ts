import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import type { Emit } from '../../kernel/events.ts';
import { lockOwner, mfaEvents } from '../mfa/index.ts';
import type { SessionService } from '../session/index.ts';
import type { User, UserService } from '../user/index.ts';
import { forgetRememberedBrowsers, refuseEarlierSignIns } from './repository.ts';
import type { Authenticators } from './service.ts';

/** What an administrator does for a person who has lost every factor (ASVS 6.4.4). */
export interface MfaReset {
  /**
   * Takes all authenticators and recovery codes of a user away, ends all sessions, and
   * makes browsers forget that a second factor was proved; in one transaction with its
   * event, which the person is told of.
   * @returns how many authenticators there were
   * @throws AppError IDENT_NOT_FOUND, IDENT_CROSS_TENANT
   */
  reset(tenantId: string, userId: string): Promise<number>;
  /** What follows from a reset, again: for a process that died after the commit. */
  complete(userId: string): Promise<void>;
}

export interface MfaResetDeps {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  authenticators: Pick<Authenticators, 'removeAll'>;
  sessions: Pick<SessionService, 'endAllWithin' | 'restoreRevocations'>;
  users: Pick<UserService, 'findAccount'>;
  /** Told of work after the commit that failed; it is done again later. */
  onBackgroundError(error: unknown): void;
}

export function createMfaReset(deps: MfaResetDeps): MfaReset {
  const { knex, clock, emit, authenticators, sessions, users } = deps;

  async function findUser(tenantId: string, userId: string): Promise<User> {
    const user = (await users.findAccount(userId))?.user;
    if (!user || user.status === 'deactivated') throw new AppError('IDENT_NOT_FOUND');
    if (user.tenantId !== tenantId) throw new AppError('IDENT_CROSS_TENANT');
    return user;
  }

  return {
    async reset(tenantId, userId) {
      const user = await findUser(tenantId, userId);
      const { removed, endSessions } = await knex.transaction(async (trx) => {
        if (!(await lockOwner(trx, user))) throw new AppError('IDENT_NOT_FOUND');
        const count = await authenticators.removeAll(trx, user, 'administrator');
        await forgetRememberedBrowsers(trx, user);
        // Whoever has the lost phone may have signed in by it, and kept the last step back.
        await refuseEarlierSignIns(trx, user, new Date(clock.now()));
        // Written even where there was nothing: sessions end all the same.
        const facts = { subject: user.id, tenantId: user.tenantId };
        await emit(trx, mfaEvents.reset, facts, { userId: user.id, removed: count });
        return {
          removed: count,
          endSessions: await sessions.endAllWithin(trx, user.id, { reason: 'mfa_changed' }),
        };
      });
      await endSessions().catch(deps.onBackgroundError);
      return removed;
    },
    async complete(userId) {
      await sessions.restoreRevocations(userId);
    },
  };
}
