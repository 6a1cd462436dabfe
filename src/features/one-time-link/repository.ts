import type { Knex } from 'knex';
import type { OpenedLink } from './schema.ts';

interface LinkRow {
  user_id: string;
  tenant_id: string;
  data: Record<string, unknown>;
}

const toLink = (row: LinkRow): OpenedLink => ({
  userId: row.user_id,
  tenantId: row.tenant_id,
  data: row.data,
});

/** Makes others who change links of this user wait, so that one of them stays the newest. */
export async function lockUser(trx: Knex.Transaction, userId: string | null): Promise<void> {
  await trx.raw('SELECT 1 FROM users WHERE id = ? FOR NO KEY UPDATE', [userId]);
}

/** @returns false where the link is there already */
export async function insertLink(
  trx: Knex.Transaction,
  link: {
    hash: Buffer;
    purpose: string;
    userId: string | null;
    tenantId: string | null;
    data: Record<string, unknown>;
    createdAt: Date;
    expiresAt: Date;
  },
): Promise<boolean> {
  const { rowCount } = await trx.raw(
    `INSERT INTO one_time_links (token_hash, purpose, tenant_id, user_id, data, created_at, expires_at)
     VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (token_hash) DO NOTHING`,
    [
      ...[link.hash, link.purpose, link.tenantId, link.userId, JSON.stringify(link.data)],
      ...[link.createdAt, link.expiresAt],
    ],
  );
  return rowCount === 1;
}

/** Ends the links of a user of one purpose, but for one. */
export async function endOthers(
  trx: Knex.Transaction,
  link: { purpose: string; userId: string | null; hash: Buffer },
  now: Date,
): Promise<void> {
  await trx('one_time_links')
    // Nobody's links are no group: null equals nothing.
    .whereRaw('user_id = ?', [link.userId])
    .where({ purpose: link.purpose, ended_at: null })
    .whereNot({ token_hash: link.hash })
    .update({ ended_at: now });
}

export async function findLink(
  knex: Knex,
  purpose: string,
  hash: Buffer,
  now: Date,
): Promise<OpenedLink | undefined> {
  const row = await knex('one_time_links')
    .where({ token_hash: hash, purpose, ended_at: null })
    .whereNotNull('user_id')
    .where('expires_at', '>', now)
    .first<LinkRow>('user_id', 'tenant_id', 'data');
  return row && toLink(row);
}

/** One statement: of any number at once, one gets the link. */
export async function endLink(
  trx: Knex.Transaction,
  purpose: string,
  hash: Buffer,
  now: Date,
): Promise<OpenedLink | undefined> {
  const [row] = await trx('one_time_links')
    .where({ token_hash: hash, purpose, ended_at: null })
    .whereNotNull('user_id')
    .where('expires_at', '>', now)
    .update({ ended_at: now })
    .returning<LinkRow[]>(['user_id', 'tenant_id', 'data']);
  return row && toLink(row);
}

/** Ends the links of a user, of one purpose if given. */
export async function endLinksOf(
  trx: Knex.Transaction,
  { userId, purpose }: { userId: string; purpose?: string },
  now: Date,
): Promise<void> {
  await trx('one_time_links')
    .where({ user_id: userId, ended_at: null, ...(purpose ? { purpose } : {}) })
    .update({ ended_at: now });
}

export async function deleteLinksOf(trx: Knex.Transaction, userId: string): Promise<void> {
  await trx('one_time_links').where({ user_id: userId }).delete();
}
