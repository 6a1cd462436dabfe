import type { Knex } from 'knex';
import type { EndedSession } from './repository.ts';
import { PERSISTS_LOGOUT } from './revocation-repository.ts';

/**
 * What a session holds beside itself: grants and refresh tokens. Everything
 * that revokes them takes locks in the same order (sessions, grants, refresh
 * tokens, each by key), so that revocations in parallel wait and do not
 * deadlock.
 */

/** Ids of the grants that a session remembers for its clients. */
export const authorizedGrants = ({ authorizations }: Pick<EndedSession, 'authorizations'>) =>
  Object.values(authorizations).flatMap(({ grantId }) => grantId ?? []);

/** Ids of the grants that were given or refreshed within these sessions. */
export async function grantsOf(
  trx: Knex.Transaction,
  sessions: readonly EndedSession[],
): Promise<string[]> {
  const ids: string[] = await trx('oidc_refresh_tokens')
    .whereIn(
      'session_id',
      sessions.map(({ id }) => id),
    )
    .distinct()
    .pluck('grant_id');
  return [...ids, ...sessions.flatMap(authorizedGrants)];
}

/** All live grants of a user, but those that the session `exceptId` holds. */
export async function grantsOfUser(
  trx: Knex.Transaction,
  userId: string,
  exceptId: string | undefined,
): Promise<string[]> {
  const ids: string[] = await trx('oidc_grants')
    .where({ user_id: userId })
    .whereNull('revoked_at')
    .pluck('id');
  if (exceptId === undefined) return ids;
  const kept = await trx('sessions').where({ id: exceptId, user_id: userId });
  const keep = new Set(await grantsOf(trx, kept));
  return ids.filter((id) => !keep.has(id));
}

/**
 * Revokes grants and deletes their refresh tokens and those of the sessions.
 * A grant's row stays, emptied, until `keepUntil`: a request that read the grant
 * before cannot bring it back by saving it.
 */
export async function revokeGrants(
  trx: Knex.Transaction,
  grantIds: readonly string[],
  sessionIds: readonly string[],
  at: { now: Date; keepUntil: Date },
): Promise<void> {
  if (grantIds.length > 0) {
    await trx.raw(
      `UPDATE oidc_grants SET revoked_at = ?, payload = '{}', expires_at = LEAST(expires_at, ?)
        WHERE id IN (SELECT id FROM oidc_grants WHERE id = ANY(?) AND revoked_at IS NULL
                      ORDER BY id FOR UPDATE)`,
      [at.now, at.keepUntil, [...grantIds]],
    );
  }
  if (grantIds.length + sessionIds.length === 0) return;
  await trx.raw(
    `DELETE FROM oidc_refresh_tokens WHERE id_hash IN (
       SELECT id_hash FROM oidc_refresh_tokens WHERE grant_id = ANY(?) OR session_id = ANY(?)
        ORDER BY id_hash FOR UPDATE)`,
    [[...grantIds], [...sessionIds]],
  );
}

export interface ReplayedGrant {
  user_id: string | null;
  tenant_id: string | null;
  client_id: string;
}

/** Notes that a refresh token of this grant was replayed. @returns undefined when it was noted before */
export async function markReplayed(
  trx: Knex.Transaction,
  grantId: string,
  now: Date,
): Promise<ReplayedGrant | undefined> {
  const [row] = await trx('oidc_grants')
    .where({ id: grantId })
    .whereNull('replayed_at')
    .update({ replayed_at: now })
    .returning(['user_id', 'tenant_id', 'client_id']);
  return row;
}

/** Sessions or grants, of one user or all, that ended after `since`: a page in the order of ids. */
export async function listEnded(
  knex: Knex,
  kind: 'sid' | 'grant',
  page: { since: Date; after: string; limit: number; userId?: string | undefined },
): Promise<{ id: string; at: Date }[]> {
  const [table, column] =
    kind === 'sid' ? (['sessions', 'ended_at'] as const) : (['oidc_grants', 'revoked_at'] as const);
  return knex(table)
    .where(column, '>', page.since)
    .whereRaw('id::text > ?', [page.after])
    .modify((query) => {
      if (page.userId !== undefined) query.where('user_id', page.userId);
      // A logout leaves tokens alive that were made to outlive it; see service.ts.
      if (kind === 'sid') query.whereRaw(`(end_reason <> 'logout' OR NOT ${PERSISTS_LOGOUT})`);
    })
    .orderByRaw('id::text')
    .limit(page.limit)
    .select('id', { at: column });
}

/** What a user allows a client to do. */
export interface GivenGrant {
  clientId: string;
  /** By what was asked: scopes of OpenID Connect, and those of each resource server. */
  scopes: string[];
  resources: Record<string, string[]>;
  expiresAt: Date;
}

/** What the engine keeps of a grant. */
export interface GrantPayload {
  openid?: { scope?: string };
  resources?: Record<string, string>;
}

interface GivenRow {
  client_id: string;
  payload: GrantPayload;
  expires_at: Date;
}

const words = (scope: string | undefined): string[] => scope?.split(' ').filter(Boolean) ?? [];

export const toGivenGrant = ({ client_id, payload, expires_at }: GivenRow): GivenGrant => ({
  clientId: client_id,
  scopes: words(payload.openid?.scope),
  resources: Object.fromEntries(
    Object.entries(payload.resources ?? {}).map(([audience, scope]) => [audience, words(scope)]),
  ),
  expiresAt: expires_at,
});

/** Live grants of a user, at most 200. */
export async function listGrants(knex: Knex, userId: string, now: Date): Promise<GivenGrant[]> {
  const rows: GivenRow[] = await knex('oidc_grants')
    .where({ user_id: userId })
    .whereNull('revoked_at')
    .where('expires_at', '>', now)
    .orderBy('id')
    .limit(200)
    .select('client_id', 'payload', 'expires_at');
  return rows.map(toGivenGrant);
}
