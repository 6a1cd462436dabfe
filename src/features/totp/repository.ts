import type { Knex } from 'knex';
import type { Authenticator, UserRef } from '../mfa/index.ts';

const TABLE = 'totp_authenticators';

interface Row {
  id: string;
  name: string;
  created_at: Date;
  last_used_at: Date | null;
}

/** A seed as it is kept. */
export interface SeedRow {
  id: string;
  sealed: Buffer;
  lastStep: number | null;
}

const COLUMNS = ['id', 'name', 'created_at', 'last_used_at'];

const toAuthenticator = (row: Row): Authenticator => ({
  id: row.id,
  type: 'totp',
  name: row.name,
  createdAt: row.created_at,
  lastUsedAt: row.last_used_at,
});

const ownedBy = ({ id, tenantId }: UserRef) => ({ user_id: id, tenant_id: tenantId });

export async function listConfirmed(knex: Knex, user: UserRef): Promise<Authenticator[]> {
  const rows = await knex(TABLE)
    .where(ownedBy(user))
    .whereNotNull('confirmed_at')
    .orderBy(['created_at', 'id'])
    .select<Row[]>(COLUMNS);
  return rows.map(toAuthenticator);
}

/** Seeds that codes are checked against, the one used last first. */
export async function listSeeds(knex: Knex, user: UserRef): Promise<SeedRow[]> {
  const rows = await knex(TABLE)
    .where(ownedBy(user))
    .whereNotNull('confirmed_at')
    .orderByRaw('last_used_at DESC NULLS LAST, id')
    .select('id', 'seed_sealed', 'last_step');
  return rows.map(({ id, seed_sealed: sealed, last_step: step }) => ({
    id,
    sealed,
    lastStep: step === null ? null : Number(step),
  }));
}

export async function findPending(
  knex: Knex,
  user: UserRef,
  id: string,
  since: Date,
): Promise<{ sealed: Buffer } | undefined> {
  const row = await knex(TABLE)
    .where({ id, ...ownedBy(user), confirmed_at: null })
    .where('created_at', '>', since)
    .first('seed_sealed');
  return row && { sealed: row.seed_sealed };
}

export async function countConfirmed(trx: Knex.Transaction, user: UserRef): Promise<number> {
  const row = await trx(TABLE).where(ownedBy(user)).whereNotNull('confirmed_at').count().first();
  return Number(row?.count);
}

export async function deletePending(trx: Knex.Transaction, user: UserRef): Promise<void> {
  await trx(TABLE)
    .where({ ...ownedBy(user), confirmed_at: null })
    .delete();
}

export async function insertPending(
  trx: Knex.Transaction,
  user: UserRef,
  { id, name, sealed, now }: { id: string; name: string; sealed: Buffer; now: Date },
): Promise<void> {
  await trx(TABLE).insert({
    id,
    ...ownedBy(user),
    name,
    seed_sealed: sealed,
    created_at: now,
  });
}

export async function confirmPending(
  trx: Knex.Transaction,
  user: UserRef,
  { id, step, now }: { id: string; step: number; now: Date },
): Promise<Authenticator | undefined> {
  const [row] = await trx(TABLE)
    .where({ id, ...ownedBy(user), confirmed_at: null })
    .update({ confirmed_at: now, last_step: step })
    .returning<Row[]>(COLUMNS);
  return row && toAuthenticator(row);
}

/** One statement: of any number of uses of one step, or of those before it, one succeeds. */
export async function takeStep(
  knex: Knex,
  user: UserRef,
  { id, step, now }: { id: string; step: number; now: Date },
): Promise<boolean> {
  const count = await knex(TABLE)
    .where({ id, ...ownedBy(user) })
    .whereNotNull('confirmed_at')
    .whereRaw('(last_step IS NULL OR last_step < ?)', [step])
    .update({ last_step: step, last_used_at: now });
  return count === 1;
}

export async function renameConfirmed(
  trx: Knex.Transaction,
  user: UserRef,
  id: string,
  name: string,
): Promise<boolean> {
  const count = await trx(TABLE)
    .where({ id, ...ownedBy(user) })
    .whereNotNull('confirmed_at')
    .update({ name });
  return count === 1;
}

/** Deletes confirmed ones, or one of them. @returns the ids of those that were there */
export async function deleteConfirmed(
  trx: Knex.Transaction,
  user: UserRef,
  id?: string,
): Promise<string[]> {
  const rows = await trx(TABLE)
    .where({ ...ownedBy(user), ...(id === undefined ? {} : { id }) })
    .whereNotNull('confirmed_at')
    .delete()
    .returning('id');
  return rows.map((row) => row.id);
}

/** Deletes what nobody has confirmed since `before`. @returns how many */
export const purgePending = (knex: Knex, before: Date, limit: number): Promise<number> =>
  knex(TABLE)
    .whereIn(
      'id',
      knex(TABLE)
        .where({ confirmed_at: null })
        .where('created_at', '<=', before)
        .limit(limit)
        .select('id'),
    )
    .where({ confirmed_at: null })
    .delete();
