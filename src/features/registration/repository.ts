import type { Knex } from 'knex';
import type { InitialAccessToken } from './schema.ts';

interface Row {
  id: string;
  tenant_id: string;
  label: string | null;
  max_uses: number;
  uses: number;
  created_at: Date;
  expires_at: Date;
  revoked_at: Date | null;
}

const toToken = (row: Row): InitialAccessToken => ({
  id: row.id,
  tenantId: row.tenant_id,
  label: row.label,
  maxUses: row.max_uses,
  uses: row.uses,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  revokedAt: row.revoked_at,
});

export async function insertToken(
  knex: Knex,
  token: InitialAccessToken,
  hash: Buffer,
): Promise<void> {
  await knex('initial_access_tokens').insert({
    id: token.id,
    tenant_id: token.tenantId,
    token_hash: hash,
    label: token.label,
    max_uses: token.maxUses,
    uses: token.uses,
    created_at: token.createdAt,
    expires_at: token.expiresAt,
  });
}

/** Tokens of a tenant, or of all, spent and expired ones too, oldest first. */
export async function listTokens(knex: Knex, tenantId?: string): Promise<InitialAccessToken[]> {
  const rows = await knex<Row>('initial_access_tokens')
    .modify((query) => {
      if (tenantId) query.where({ tenant_id: tenantId });
    })
    .orderBy(['created_at', 'id']);
  return rows.map(toToken);
}

const live = (knex: Knex, hash: Buffer, now: Date) =>
  knex<Row>('initial_access_tokens')
    .where('token_hash', hash)
    .where('expires_at', '>', now)
    .whereNull('revoked_at')
    .whereRaw('uses < max_uses');

/** A token that can still be used, whichever tenant's: it is what tells the tenant. */
export async function findLive(
  knex: Knex,
  hash: Buffer,
  now: Date,
): Promise<InitialAccessToken | undefined> {
  const row = await live(knex, hash, now).first();
  return row && toToken(row);
}

/** Takes one use, if there is one: of any number at once no more succeed than were left. */
export async function takeUse(
  trx: Knex.Transaction,
  hash: Buffer,
  now: Date,
): Promise<InitialAccessToken | undefined> {
  const [row] = await live(trx, hash, now)
    .update({ uses: trx.raw('uses + 1') as unknown as number })
    .returning('*');
  return row && toToken(row);
}

/** @returns whether there was such a token in the tenant */
export async function revokeToken(
  knex: Knex,
  { tenantId, id, at }: { tenantId: string; id: string; at: Date },
): Promise<boolean> {
  const updated = await knex('initial_access_tokens')
    .where({ tenant_id: tenantId, id })
    .update({ revoked_at: knex.raw('COALESCE(revoked_at, ?)', [at]) });
  return updated > 0;
}
