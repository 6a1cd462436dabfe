import type { Knex } from 'knex';
import { isUuid } from '../../kernel/ids.ts';

/** Postgres' side of the revocation set: what can be asked while Redis is away. */

/** A logout leaves tokens alive that were made to outlive it (`offline_access`); see ending.ts. */
export const PERSISTS_LOGOUT = `EXISTS (SELECT 1 FROM jsonb_each(authorizations) a
  WHERE a.value ->> 'persistsLogout' = 'true')`;

/** Whether the session, the grant or the token itself was ended; one statement. */
export async function isRevokedOnRecord(
  knex: Knex,
  { sid, jti, grantId }: { sid?: string; jti?: string; grantId?: string },
): Promise<boolean> {
  const { rows } = await knex.raw(
    `SELECT EXISTS (SELECT 1 FROM sessions WHERE id = ?::uuid AND ended_at IS NOT NULL
              AND (end_reason <> 'logout' OR NOT ${PERSISTS_LOGOUT}))
         OR EXISTS (SELECT 1 FROM oidc_grants WHERE id = ? AND revoked_at IS NOT NULL)
         OR EXISTS (SELECT 1 FROM revoked_tokens WHERE jti = ?) AS is_revoked`,
    [isUuid(sid) ? sid : null, grantId ?? null, jti ?? null],
  );
  return rows[0].is_revoked;
}

export async function insertRevokedToken(knex: Knex, jti: string, expiresAt: Date): Promise<void> {
  await knex('revoked_tokens')
    .insert({ jti, expires_at: expiresAt })
    .onConflict('jti')
    .merge(['expires_at']);
}

/** Single tokens that were revoked and have not expired, a page at a time in the order of ids. */
export const listRevokedTokens = (
  knex: Knex,
  page: { now: Date; after: string; limit: number },
): Promise<{ id: string; at: Date }[]> =>
  knex('revoked_tokens')
    .where('expires_at', '>', page.now)
    .where('jti', '>', page.after)
    .orderBy('jti')
    .limit(page.limit)
    .select({ id: 'jti', at: 'expires_at' });
