import type { Knex } from 'knex';
import type { UserRef } from './schema.ts';

/**
 * Makes others who change what this user proves who they are by wait until the
 * commit, an erasure too.
 * @returns false where there is no such user in this tenant, or not any more
 */
export async function lockOwner(trx: Knex.Transaction, user: UserRef): Promise<boolean> {
  const row = await trx('users')
    .where({ id: user.id, tenant_id: user.tenantId })
    .whereNot({ status: 'deactivated' })
    .forNoKeyUpdate()
    .first('id');
  return row !== undefined;
}

/** What a user can be asked for: something that works, only what is blocked, or nothing. */
export async function factorState(
  trx: Knex.Transaction,
  userId: string,
): Promise<'working' | 'blocked' | 'none'> {
  const { rows } = await trx.raw('SELECT second_factors(?) AS kinds', [userId]);
  const kinds = rows[0].kinds as string[];
  if (kinds.length === 0) return 'none';
  return kinds.includes('blocked') ? 'blocked' : 'working';
}
