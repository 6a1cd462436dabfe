import type { Knex } from 'knex';
import { AppError } from '../../kernel/errors.ts';
import type { Emit } from '../../kernel/events.ts';
import { type User, type UserService, userEvents } from '../user/index.ts';
import type { AttemptLimits } from './attempts.ts';
import type { KnownBrowsers } from './browsers.ts';
import { deleteBrowsers, listBrowserHashes } from './repository.ts';

/** Whose budget of failed tries it is. */
export const accountKey = (userId: string): string => `user:${userId}`;

/** Whether too many failed tries have closed an account for now. */
export interface LockCheck {
  /** Seen from anywhere. */
  isLocked(userId: string): Promise<boolean>;
  /**
   * Seen from a browser: one whose device cookie vouches for the user is not shut
   * out by tries from elsewhere. Every way to prove who one is asks (CVE-2026-9798).
   */
  isLockedFor(
    user: Pick<User, 'id' | 'tenantId'>,
    device: string | null | undefined,
  ): Promise<boolean>;
}

export const createLockCheck = ({
  attempts,
  browsers,
}: {
  attempts: Pick<AttemptLimits, 'isLocked'>;
  browsers: Pick<KnownBrowsers, 'recognise'>;
}): LockCheck => ({
  isLocked: (userId) => attempts.isLocked(accountKey(userId), null),
  async isLockedFor(user, device) {
    return attempts.isLocked(accountKey(user.id), await browsers.recognise(user, device));
  },
});

/** What an operator does about accounts that failed tries have closed. */
export interface Unlocking {
  /**
   * Opens an account that failed tries have closed, by password or one-time code, for
   * everybody and for its browsers.
   * @returns whether passwords had closed it
   * @throws AppError IDENT_NOT_FOUND, IDENT_CROSS_TENANT, IDENT_UNAVAILABLE
   */
  unlock(tenantId: string, userId: string): Promise<boolean>;
  /**
   * Makes every browser of a user a new one: no device cookie vouches any more.
   * @returns how many there were
   * @throws AppError IDENT_NOT_FOUND, IDENT_CROSS_TENANT
   */
  forgetBrowsers(tenantId: string, userId: string): Promise<number>;
}

export interface UnlockingDeps {
  knex: Knex;
  emit: Emit<Knex.Transaction>;
  users: Pick<UserService, 'findAccount'>;
  attempts: Pick<AttemptLimits, 'isLocked' | 'unlock'>;
  /** Lifts what wrong one-time codes have closed. */
  unlockCodes(user: User): Promise<void>;
}

export function createUnlocking(deps: UnlockingDeps): Unlocking {
  const { knex, emit, users, attempts } = deps;

  async function findUser(tenantId: string, userId: string): Promise<User> {
    const account = await users.findAccount(userId);
    if (!account) throw new AppError('IDENT_NOT_FOUND');
    if (account.user.tenantId !== tenantId) throw new AppError('IDENT_CROSS_TENANT');
    return account.user;
  }

  /** For the audit log: who did it is the actor of the request. */
  const record = (trx: Knex.Transaction, { id, tenantId }: User, changed: string) =>
    emit(
      trx,
      userEvents.profileUpdated,
      { subject: id, tenantId },
      { userId: id, changed: [changed] },
    );

  return {
    async unlock(tenantId, userId) {
      const user = await findUser(tenantId, userId);
      const account = accountKey(user.id);
      const wasLocked = await attempts.isLocked(account, null);
      const hashes = await listBrowserHashes(knex, user);
      const devices = hashes.map((hash) => hash.toString('base64url'));
      // Written first: what the audit log does not tell must not happen.
      await knex.transaction((trx) => record(trx, user, 'lockout'));
      await Promise.all([attempts.unlock(account, devices), deps.unlockCodes(user)]);
      return wasLocked;
    },
    async forgetBrowsers(tenantId, userId) {
      const user = await findUser(tenantId, userId);
      return knex.transaction(async (trx) => {
        const count = await deleteBrowsers(trx, user);
        await record(trx, user, 'known_browsers');
        return count;
      });
    },
  };
}
