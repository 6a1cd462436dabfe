import type { Knex } from 'knex';

/** An address that was a user's, sealed, until the user has been told there. */
export interface FormerAddress {
  id: string;
  tenantId: string;
  userId: string;
  /** What was changed. */
  what: 'email' | 'phone';
  sealed: Buffer;
  createdAt: Date;
}

export async function insertFormerAddress(
  trx: Knex.Transaction,
  former: FormerAddress & { expiresAt: Date },
): Promise<void> {
  await trx('former_addresses').insert({
    id: former.id,
    tenant_id: former.tenantId,
    user_id: former.userId,
    what: former.what,
    sealed: former.sealed,
    created_at: former.createdAt,
    expires_at: former.expiresAt,
  });
}

export async function listFormerAddresses(
  knex: Knex,
  { tenantId, userId }: { tenantId: string; userId: string },
): Promise<FormerAddress[]> {
  const rows = await knex('former_addresses')
    .where({ tenant_id: tenantId, user_id: userId })
    .orderBy('id');
  return rows.map((row) => ({
    id: row.id,
    tenantId: row.tenant_id,
    userId: row.user_id,
    what: row.what,
    sealed: row.sealed,
    createdAt: row.created_at,
  }));
}

export async function deleteFormerAddress(
  knex: Knex,
  { tenantId, id }: Pick<FormerAddress, 'tenantId' | 'id'>,
): Promise<void> {
  await knex('former_addresses').where({ tenant_id: tenantId, id }).delete();
}
