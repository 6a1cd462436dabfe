import type { Knex } from 'knex';
import type { UserRef } from '../mfa/index.ts';

const TABLE = 'recovery_codes';

/** A code as it is kept. */
export interface CodeRow {
  id: string;
  hash: Buffer;
}

const ownedBy = ({ id, tenantId }: UserRef) => ({ user_id: id, tenant_id: tenantId });

export const listUnused = (knex: Knex, user: UserRef): Promise<CodeRow[]> =>
  knex(TABLE)
    .where({ ...ownedBy(user), used_at: null })
    .select({ id: 'id', hash: 'code_hash' });

/** One statement: of any number of uses at once, one succeeds. */
export async function use(
  trx: Knex.Transaction,
  user: UserRef,
  { id, now }: { id: string; now: Date },
): Promise<boolean> {
  const count = await trx(TABLE)
    .where({ id, ...ownedBy(user), used_at: null })
    .update({ used_at: now });
  return count === 1;
}

export async function findStatus(
  knex: Knex,
  user: UserRef,
): Promise<{ left: number; createdAt: Date } | null> {
  const row = await knex(TABLE)
    .where(ownedBy(user))
    .first(knex.raw('count(*) FILTER (WHERE used_at IS NULL) AS unused, max(created_at) AS made'));
  return row?.made ? { left: Number(row.unused), createdAt: row.made } : null;
}

export async function insertCodes(
  trx: Knex.Transaction,
  user: UserRef,
  codes: readonly CodeRow[],
  now: Date,
): Promise<void> {
  await trx(TABLE).insert(
    codes.map(({ id, hash }) => ({ id, ...ownedBy(user), code_hash: hash, created_at: now })),
  );
}

export async function deleteCodes(trx: Knex.Transaction, user: UserRef): Promise<void> {
  await trx(TABLE).where(ownedBy(user)).delete();
}
