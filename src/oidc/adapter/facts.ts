import type { Revocation } from '../../infra/revocations.ts';
import type { Clock } from '../../kernel/clock.ts';
import { isUuid } from '../../kernel/ids.ts';
import { createFactCache } from './fact-cache.ts';
import type { Database } from './pipeline.ts';
import { currentCache, type RequestCache } from './request-cache.ts';

/**
 * The joined reads. Round trips are what a request costs, and the engine asks
 * for token, session, account and grant one after another: the first statement
 * brings the others along and parks them in the request's cache.
 */

/**
 * One column, parsed only if asked for: what a result costs here is its columns. The names are
 * those of `User`.
 */
const USER = `u.id AS user_id, CASE WHEN u.id IS NULL THEN NULL ELSE json_build_object(
    'id', u.id, 'tenantId', u.tenant_id, 'status', u.status, 'email', u.email,
    'emailVerified', u.email_verified_at IS NOT NULL, 'phone', u.phone,
    'phoneVerified', u.phone_verified_at IS NOT NULL, 'username', u.username, 'name', u.name,
    'givenName', u.given_name, 'familyName', u.family_name, 'locale', u.locale,
    'zoneinfo', u.zoneinfo, 'createdAt', u.created_at, 'updatedAt', u.updated_at)::text END AS account,
  ARRAY(SELECT m.tenant_id::text FROM tenant_members m WHERE m.user_id = u.id ORDER BY 1)
    AS tenant_ids`;

const SESSION = `s.id AS session_uid, s.id_hash AS session_hash, s.id_sealed,
  s.payload::text AS session_payload, s.authorizations::text AS authorizations`;

const LIVE_SESSION = 's.ended_at IS NULL AND s.expires_at > $2';
const LIVE_GRANT = 'g.revoked_at IS NULL AND g.expires_at > $2';

const REFRESH_TOKEN = {
  name: 'facts-refresh-token',
  text: `SELECT r.payload::text AS payload, r.consumed_at, r.grant_id, r.session_id,
      g.payload::text AS grant_payload, ${SESSION}, ${USER}
    FROM oidc_refresh_tokens r
    LEFT JOIN oidc_grants g ON g.id = r.grant_id AND ${LIVE_GRANT}
    LEFT JOIN sessions s ON s.id = r.session_id AND ${LIVE_SESSION}
    LEFT JOIN users u ON u.id = r.user_id
    WHERE r.id_hash = $1 AND r.expires_at > $2`,
};

const GRANT_AND_SESSION = {
  name: 'facts-grant-session',
  text: `SELECT g.payload::text AS grant_payload, ${SESSION}, ${USER}
    FROM (SELECT $1::text AS grant_id, $3::uuid AS session_uid) q
    LEFT JOIN oidc_grants g ON g.id = q.grant_id AND ${LIVE_GRANT}
    LEFT JOIN sessions s ON s.id = q.session_uid AND ${LIVE_SESSION}
    LEFT JOIN users u ON u.id = COALESCE(g.user_id, s.user_id)`,
};

const SESSION_BY_ID = {
  name: 'facts-session-id',
  text: `SELECT ${SESSION}, ${USER} FROM sessions s LEFT JOIN users u ON u.id = s.user_id
    WHERE s.id_hash = $1 AND ${LIVE_SESSION}`,
};

/** A row of the joined reads; what was not found is null. */
export interface FactRow {
  grant_payload: string | null;
  session_uid: string | null;
  session_hash: Buffer;
  id_sealed: Buffer;
  session_payload: string;
  authorizations: string;
  user_id: string | null;
  account: string;
  tenant_ids: string[];
}

interface RefreshTokenRow extends FactRow {
  payload: string;
  consumed_at: Date | null;
  grant_id: string;
  session_id: string | null;
}

/** A session's part of a row, or null where there is none. */
export const toSessionRow = (row: FactRow) =>
  row.session_uid === null
    ? null
    : {
        uid: row.session_uid,
        idHash: row.session_hash,
        idSealed: row.id_sealed,
        payload: row.session_payload,
        authorizations: row.authorizations,
      };

/** Parks what a row holds; `asked` names what it was asked for, so that absence is known too. */
function park(
  cache: RequestCache | undefined,
  row: FactRow,
  asked: { grantId?: string | undefined; sessionUid?: string | undefined },
): void {
  if (!cache) return;
  if (asked.grantId !== undefined) cache.grants.set(asked.grantId, row.grant_payload);
  if (asked.sessionUid !== undefined) cache.sessions.set(asked.sessionUid, toSessionRow(row));
  if (row.user_id !== null) {
    cache.users.set(row.user_id, { account: row.account, tenantIds: row.tenant_ids });
  }
}

export interface Facts {
  /** A refresh token with its grant, session and user. */
  refreshToken(idHash: Buffer): Promise<RefreshTokenRow | undefined>;
  /**
   * A grant and a session, whichever is given, with the user. Where the request
   * has read an access token that names both, both are read, and a copy of at
   * most one second's age will do.
   */
  grantAndSession(wanted: { grantId?: string; sessionUid?: string }): Promise<FactRow>;
  /** A session by the hash of its cookie value, with the user. */
  sessionById(idHash: Buffer): Promise<FactRow | undefined>;
  /** Forgets copies of what was revoked or is being written. */
  forget(entries: readonly Pick<Revocation, 'kind' | 'id'>[]): void;
}

export function createFacts({ pool, clock }: { pool: Database; clock: Clock }): Facts {
  const copies = createFactCache(clock);
  const now = () => new Date(clock.now());

  async function readBoth(grantId?: string, sessionUid?: string): Promise<FactRow> {
    const values = [grantId ?? null, now(), isUuid(sessionUid) ? sessionUid : null];
    const { rows } = await pool.query<FactRow>({ ...GRANT_AND_SESSION, values });
    // The row source is a VALUES-like subquery: there is always exactly one row.
    return rows[0] as FactRow;
  }

  return {
    async refreshToken(idHash) {
      const query = { ...REFRESH_TOKEN, values: [idHash, now()] };
      const row = (await pool.query<RefreshTokenRow>(query)).rows[0];
      if (!row) return undefined;
      park(currentCache(), row, {
        grantId: row.grant_id,
        sessionUid: row.session_id ?? undefined,
      });
      return row;
    },
    async grantAndSession(wanted) {
      const cache = currentCache();
      const link = cache?.links.get(wanted.grantId ?? wanted.sessionUid ?? '');
      const asked = link ?? wanted;
      const { grantId, sessionUid } = asked;
      const row = link?.mayBeStale
        ? await copies.get(link, () => readBoth(grantId, sessionUid))
        : await readBoth(grantId, sessionUid);
      park(cache, row, asked);
      return row;
    },
    async sessionById(idHash) {
      const query = { ...SESSION_BY_ID, values: [idHash, now()] };
      const row = (await pool.query<FactRow>(query)).rows[0];
      if (row) park(currentCache(), row, { sessionUid: row.session_uid ?? undefined });
      return row;
    },
    forget(entries) {
      copies.forget(entries);
      const cache = currentCache();
      for (const { kind, id } of entries) {
        if (kind === 'grant') cache?.grants.delete(id);
        if (kind === 'sid') cache?.sessions.delete(id);
      }
    },
  };
}
