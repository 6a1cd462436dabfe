import type { Knex } from 'knex';
import type { Lookups } from '../../infra/lookups.ts';
import type { Clock } from '../../kernel/clock.ts';
import { constantTimeEqual } from '../../kernel/crypto.ts';
import { AppError } from '../../kernel/errors.ts';
import type { Emit } from '../../kernel/events.ts';
import { newId } from '../../kernel/ids.ts';
import {
  factorState,
  lockOwner,
  mfaEvents,
  type RecoveryCodesPort,
  type UserRef,
} from '../mfa/index.ts';
import { newCode, readCode, toGroups } from './codes.ts';
import * as repository from './repository.ts';

/** Codes that a user gets at once. */
const COUNT = 10;

export interface RecoveryCodeDeps {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  lookups: Pick<Lookups, 'digest' | 'digests'>;
}

/** The id of the row is the salt: random, and of one code only (ASVS 6.5.2). */
const salted = (id: string, code: string): string => `${id}:${code}`;

/** Recovery codes, kept as HMAC under a key that is not in the database but sealed. */
export function createRecoveryCodes(deps: RecoveryCodeDeps): RecoveryCodesPort {
  const { knex, clock, emit, lookups } = deps;
  const factsOf = ({ id, tenantId }: UserRef) => ({ subject: id, tenantId });

  const isCode = ({ id, hash }: repository.CodeRow, code: string): boolean =>
    lookups
      .digests('recovery-code', salted(id, code))
      .some((digest) => constantTimeEqual(Buffer.from(digest, 'hex'), hash));

  async function replace(
    trx: Knex.Transaction,
    user: UserRef,
    isFirst: boolean,
  ): Promise<string[]> {
    const codes = Array.from({ length: COUNT }, () => ({ id: newId(), code: newCode() }));
    const rows = codes.map(({ id, code }) => ({
      id,
      hash: Buffer.from(lookups.digest('recovery-code', salted(id, code)), 'hex'),
    }));
    await repository.deleteCodes(trx, user);
    await repository.insertCodes(trx, user, rows, new Date(clock.now()));
    const data = { userId: user.id, isFirst };
    await emit(trx, mfaEvents.recoveryCodesGenerated, factsOf(user), data);
    return codes.map(({ code }) => toGroups(code));
  }

  const lock = async (trx: Knex.Transaction, user: UserRef): Promise<void> => {
    if (!(await lockOwner(trx, user))) throw new AppError('IDENT_NOT_FOUND');
  };

  const generateWithin: RecoveryCodesPort['generateWithin'] = async (trx, user) => {
    await lock(trx, user);
    return replace(trx, user, false);
  };

  return {
    generate: (user) => knex.transaction((trx) => generateWithin(trx, user)),
    generateWithin,
    generateFirst: (user) =>
      knex.transaction(async (trx) => {
        await lock(trx, user);
        // None without a factor: they would open the next one, unseen by its owner.
        if ((await factorState(trx, user.id)) === 'none') return [];
        const unused = await repository.listUnused(trx, user);
        return unused.length > 0 ? [] : replace(trx, user, true);
      }),
    status: (user) => repository.findStatus(knex, user),
    removeAll: (trx, user) => repository.deleteCodes(trx, user),

    async verify(user, typed) {
      const code = readCode(typed);
      if (code === undefined) return false;
      // Not locked yet: whoever guesses must not hold anybody up.
      const rows = await repository.listUnused(knex, user);
      const found = rows.find((row) => isCode(row, code));
      if (!found) return false;
      return knex.transaction(async (trx) => {
        // One after the other, so that each event tells how many are left.
        await lock(trx, user);
        const now = new Date(clock.now());
        if (!(await repository.use(trx, user, { id: found.id, now }))) return false;
        const { length: left } = await repository.listUnused(trx, user);
        await emit(trx, mfaEvents.recoveryCodeUsed, factsOf(user), { userId: user.id, left });
        return true;
      });
    },
  };
}
