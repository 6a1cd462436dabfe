import type { Knex } from 'knex';
import type { UserKey } from './change-repository.ts';

/**
 * Tables whose rows belong to a user: those that would be deleted with the user's
 * row. An erasure keeps that row, so it deletes what refers to it by itself.
 */
const OWNED = `SELECT c.conrelid::regclass::text AS table_name, a.attname AS column_name
  FROM pg_constraint c
  JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
 WHERE c.contype = 'f' AND c.confdeltype = 'c' AND c.confrelid = 'users'::regclass
   AND cardinality(c.conkey) = 1
 ORDER BY 1, 2`;

/**
 * Empties a user: names, addresses and attributes, and whatever refers to it.
 * Sessions stay as their own feature has left them, ended and emptied, so that a
 * late save finds them; those that had expired before go.
 */
export async function emptyUser(
  trx: Knex.Transaction,
  { tenantId, userId }: UserKey,
  now: Date,
): Promise<void> {
  await trx('users')
    .where({ id: userId, tenant_id: tenantId })
    .update({
      status: 'deactivated',
      email: null,
      email_verified_at: null,
      phone: null,
      phone_verified_at: null,
      username: null,
      name: null,
      given_name: null,
      family_name: null,
      locale: null,
      zoneinfo: null,
      attributes: '{}',
      version: trx.raw('version + 1'),
      updated_at: now,
      deactivated_at: now,
    });
  const { rows } = await trx.raw(OWNED);
  for (const { table_name: table, column_name: column } of rows) {
    if (table !== 'sessions') await trx(table).where(column, userId).delete();
  }
  await trx('sessions').where({ user_id: userId }).whereNull('ended_at').delete();
  await trx('oidc_refresh_tokens').where({ user_id: userId }).delete();
}

/** Where an erased person is told of it, sealed; there until that is done. */
export interface ErasureRow {
  tenantId: string;
  sealed: Buffer;
  createdAt: Date;
}

export async function insertErasure(
  trx: Knex.Transaction,
  userId: string,
  { tenantId, sealed, createdAt }: ErasureRow,
): Promise<void> {
  await trx('erasures').insert({
    user_id: userId,
    tenant_id: tenantId,
    sealed,
    created_at: createdAt,
  });
}

export async function findErasure(knex: Knex, userId: string): Promise<ErasureRow | undefined> {
  const row = await knex('erasures').where({ user_id: userId }).first();
  return row && { tenantId: row.tenant_id, sealed: row.sealed, createdAt: row.created_at };
}

export async function deleteErasure(knex: Knex, userId: string): Promise<void> {
  await knex('erasures').where({ user_id: userId }).delete();
}

/** Erasures that could not be completed since `before`; the oldest first. */
export const listErasures = (knex: Knex, before: Date, limit: number): Promise<string[]> =>
  knex('erasures')
    .where('created_at', '<', before)
    .orderBy('created_at')
    .limit(limit)
    .pluck('user_id');

/** Accounts that their owners made before `before` and never proved to be theirs. */
export const listUnproven = (knex: Knex, before: Date, limit: number): Promise<UserKey[]> =>
  knex('users')
    .where({ self_registered: true, status: 'pending_verification' })
    .where('created_at', '<', before)
    .orderBy('created_at')
    .limit(limit)
    .select({ userId: 'id', tenantId: 'tenant_id' });

/** An account made by its owner, never proved, of this address or number; locked if it is there. */
export const findUnproven = (
  trx: Knex.Transaction,
  tenantId: string,
  { scheme, value }: { scheme: 'email' | 'phone'; value: string },
  before: Date,
): Promise<UserKey | undefined> =>
  trx('users')
    .where({ tenant_id: tenantId, self_registered: true, status: 'pending_verification' })
    .where('created_at', '<', before)
    .whereRaw(scheme === 'email' ? 'lower(email) = lower(?)' : 'phone = ?', [value])
    .forNoKeyUpdate()
    .first({ userId: 'id', tenantId: 'tenant_id' });
