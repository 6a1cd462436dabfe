import type { Knex } from 'knex';
import { toUser } from './repository.ts';
import type { User } from './schema.ts';

/** An e-mail address or phone number. */
export interface Address {
  scheme: 'email' | 'phone';
  value: string;
}

/**
 * Notes that an address is its user's, and makes a pending user active.
 * @returns undefined when it is not this user's any more, or the account was erased
 */
export async function markVerified(
  trx: Knex.Transaction,
  { tenantId, userId }: { tenantId: string; userId: string },
  { scheme, value }: Address,
  now: Date,
): Promise<User | undefined> {
  const column = `${scheme}_verified_at`;
  const [row] = await trx('users')
    .where({ id: userId, tenant_id: tenantId })
    .whereNot({ status: 'deactivated' })
    .whereRaw('lower(??) = lower(?)', [scheme, value])
    .update({
      [column]: trx.raw('COALESCE(??, ?)', [column, now]),
      status: trx.raw(`CASE WHEN status = 'pending_verification' THEN 'active' ELSE status END`),
      version: trx.raw('version + 1'),
      updated_at: now,
    })
    .returning('*');
  return row && toUser(row);
}

/**
 * Gives a user a verified address in place of the one before, and makes a pending
 * user active.
 * @returns the user before and after; undefined when the account was erased
 * @throws the unique violation of an address that another user of the tenant has
 */
export async function replaceAddress(
  trx: Knex.Transaction,
  { tenantId, userId }: { tenantId: string; userId: string },
  { scheme, value }: Address,
  now: Date,
): Promise<{ before: User; after: User } | undefined> {
  const row = await trx('users')
    .where({ id: userId, tenant_id: tenantId })
    .whereNot({ status: 'deactivated' })
    .forNoKeyUpdate()
    .first();
  if (!row) return undefined;
  const [changed] = await trx('users')
    .where({ id: userId, tenant_id: tenantId })
    .update({
      [scheme]: value,
      [`${scheme}_verified_at`]: now,
      status: trx.raw(`CASE WHEN status = 'pending_verification' THEN 'active' ELSE status END`),
      version: trx.raw('version + 1'),
      updated_at: now,
    })
    .returning('*');
  return { before: toUser(row), after: toUser(changed) };
}
