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

/** Whether the user has an authenticator, one that works or one that is blocked. */
export async function hasFactor(trx: Knex.Transaction, { id }: UserRef): Promise<boolean> {
  const { rows } = await trx.raw('SELECT cardinality(second_factors(?)) AS kinds', [id]);
  return rows[0].kinds > 0;
}
