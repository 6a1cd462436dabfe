import type { Knex } from 'knex';
import { AppError } from '../../kernel/errors.ts';
import type { Emit } from '../../kernel/events.ts';
import {
  type Authenticator,
  type AuthenticatorKeeper,
  factorState,
  lockOwner,
  mfaEvents,
  type RecoveryCodesPort,
  type UserRef,
} from '../mfa/index.ts';
import type { TenantService } from '../tenant/index.ts';

export interface AuthenticatorDeps {
  knex: Knex;
  emit: Emit<Knex.Transaction>;
  keepers: readonly AuthenticatorKeeper[];
  recoveryCodes: Pick<RecoveryCodesPort, 'generateWithin' | 'removeAll' | 'status'>;
  tenants: Pick<TenantService, 'find'>;
}

/** What a user has, as its owner sees it. */
export interface Factors {
  /** The oldest first. */
  authenticators: Authenticator[];
  /** Recovery codes: how many are still good, and since when; null where there are none. */
  recoveryCodes: { left: number; createdAt: Date } | null;
  /** Whether the tenant insists on a second factor: the last one cannot be taken away. */
  isRequired: boolean;
}

/** All authenticators of a user. Another's id is like one that there never was. */
export interface Authenticators {
  list(user: UserRef): Promise<Authenticator[]>;
  describe(user: UserRef): Promise<Factors>;
  /** @returns it as it is then. @throws AppError IDENT_NOT_FOUND */
  rename(user: UserRef, id: string, name: string): Promise<Authenticator>;
  /**
   * Takes one away for its owner; recovery codes go with the last.
   * @throws AppError IDENT_NOT_FOUND; IDENT_INVALID_TRANSITION where it is the last and the
   *   tenant insists on one
   */
  remove(user: UserRef, id: string): Promise<void>;
  /**
   * Ten new recovery codes in place of all before; told this once.
   * @throws AppError IDENT_INVALID_TRANSITION where there is no authenticator that they could
   *   take the place of; IDENT_NOT_FOUND
   */
  generateRecoveryCodes(user: UserRef): Promise<string[]>;
  /** Takes all away, recovery codes too. @returns how many authenticators there were */
  removeAll(trx: Knex.Transaction, user: UserRef, by: 'administrator'): Promise<number>;
}

export function createAuthenticators(deps: AuthenticatorDeps): Authenticators {
  const { knex, emit, keepers, recoveryCodes, tenants } = deps;

  async function list(user: UserRef): Promise<Authenticator[]> {
    const found = await Promise.all(keepers.map((keeper) => keeper.list(user)));
    return found.flat().sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
  }

  async function isRequired({ tenantId }: UserRef): Promise<boolean> {
    return (await tenants.find(tenantId))?.settings.mfaRequired ?? false;
  }

  /** Whichever of them has it. */
  async function removeOne(trx: Knex.Transaction, user: UserRef, id: string): Promise<void> {
    for (const keeper of keepers) {
      if (await keeper.remove(trx, user, id, 'user')) return;
    }
    throw new AppError('IDENT_NOT_FOUND');
  }

  async function renameOne(trx: Knex.Transaction, user: UserRef, id: string, name: string) {
    for (const keeper of keepers) {
      if (!(await keeper.rename(trx, user, id, name))) continue;
      const facts = { subject: user.id, tenantId: user.tenantId };
      const data = { userId: user.id, authenticatorId: id, type: keeper.type };
      await emit(trx, mfaEvents.renamed, facts, data);
      return;
    }
    throw new AppError('IDENT_NOT_FOUND');
  }

  async function removeKept(
    trx: Knex.Transaction,
    user: UserRef,
    by: 'user' | 'administrator',
  ): Promise<number> {
    let count = 0;
    for (const keeper of keepers) count += await keeper.removeAll(trx, user, by);
    return count;
  }

  return {
    list,
    async describe(user) {
      const [authenticators, codes, required] = await Promise.all([
        list(user),
        recoveryCodes.status(user),
        isRequired(user),
      ]);
      return { authenticators, recoveryCodes: codes, isRequired: required };
    },
    async rename(user, id, name) {
      await knex.transaction((trx) => renameOne(trx, user, id, name));
      const renamed = (await list(user)).find((one) => one.id === id);
      if (!renamed) throw new AppError('IDENT_NOT_FOUND');
      return renamed;
    },
    async remove(user, id) {
      const mustStay = await isRequired(user);
      await knex.transaction(async (trx) => {
        // One after the other: of two that are taken away at once, one is the last.
        if (!(await lockOwner(trx, user))) throw new AppError('IDENT_NOT_FOUND');
        const before = await factorState(trx, user.id);
        await removeOne(trx, user, id);
        const after = await factorState(trx, user.id);
        const isLast = before === 'working' && after !== 'working';
        if (!isLast && after !== 'none') return;
        if (mustStay && isLast) throw new AppError('IDENT_INVALID_TRANSITION');
        // Blocked ones would stay due, and open nothing.
        if (isLast) await removeKept(trx, user, 'user');
        await recoveryCodes.removeAll(trx, user);
      });
    },
    generateRecoveryCodes: (user) =>
      knex.transaction(async (trx) => {
        if (!(await lockOwner(trx, user))) throw new AppError('IDENT_NOT_FOUND');
        if ((await factorState(trx, user.id)) === 'none')
          throw new AppError('IDENT_INVALID_TRANSITION');
        return recoveryCodes.generateWithin(trx, user);
      }),
    async removeAll(trx, user, by) {
      const count = await removeKept(trx, user, by);
      await recoveryCodes.removeAll(trx, user);
      return count;
    },
  };
}
