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
