import type { Knex } from 'knex';

/** An entry of the history, of either source. */
export interface ActivityRow {
  id: string;
  /** The event's type; null for a sign-in. */
  type: string | null;
  at: Date;
  session_id: string | null;
  amr: string[] | null;
  client_ip: string | null;
  user_agent: string | null;
  data: Record<string, unknown>;
}

/** The place of an entry in the order of all: the newest first. */
export interface Position {
  at: Date;
  id: string;
}

export interface ActivityFilter {
  user: { id: string; tenantId: string };
  /** Types of events about the user. */
  types: readonly string[];
  /** Type of the event, about a session, that it has ended. */
  endedType: string;
  since: Date;
  /** The last entry of the page before. */
  before: Position;
  limit: number;
}

const COLUMNS = 'id, type, at, session_id, amr, client_ip, user_agent, data';

/** Changes of a profile that are none to its owner; other entries tell of them. */
const UNSEEN = JSON.stringify(['lockout', 'known_browsers']);

/** Of each source as many as could be on the page, then the newest of all of them. */
const LIST = `
  WITH own_sessions AS MATERIALIZED (
    SELECT DISTINCT ON (session_id) session_id, client_ip, user_agent FROM sign_ins
     WHERE user_id = :userId AND tenant_id = :tenantId AND occurred_at > :since
     ORDER BY session_id, occurred_at DESC
  )
  SELECT ${COLUMNS} FROM (
    (SELECT id, NULL AS type, occurred_at AS at, session_id, amr, client_ip, user_agent,
            '{}'::jsonb AS data
       FROM sign_ins
      WHERE user_id = :userId AND tenant_id = :tenantId AND occurred_at > :since
        AND (occurred_at, id) < (:at, :id)
      ORDER BY occurred_at DESC, id DESC LIMIT :limit)
    UNION ALL
    (SELECT id, type, occurred_at, NULL::uuid, NULL::text[], NULL, NULL, data
       FROM audit_log
      WHERE subject = :userId AND tenant_id = :tenantId AND type = ANY(:types)
        AND NOT coalesce(CAST(:unseen AS jsonb) @> (data -> 'changed'), false)
        AND occurred_at > :since AND (occurred_at, id) < (:at, :id)
      ORDER BY occurred_at DESC, id DESC LIMIT :limit)
    UNION ALL
    (SELECT a.id, a.type, a.occurred_at, s.session_id, NULL::text[], s.client_ip, s.user_agent,
            a.data
       FROM own_sessions s JOIN audit_log a ON a.subject = s.session_id::text
      WHERE a.tenant_id = :tenantId AND a.type = :endedType AND a.data ->> 'userId' = :userId
        AND a.occurred_at > :since AND (a.occurred_at, a.id) < (:at, :id)
      ORDER BY a.occurred_at DESC, a.id DESC LIMIT :limit)
  ) entries ORDER BY at DESC, id DESC LIMIT :limit`;

/** A page of what happened to an account, the newest first. */
export async function listActivity(knex: Knex, filter: ActivityFilter): Promise<ActivityRow[]> {
  const { user, types, endedType, since, before, limit } = filter;
  const { rows } = await knex.raw(LIST, {
    userId: user.id,
    tenantId: user.tenantId,
    types: [...types],
    endedType,
    unseen: UNSEEN,
    since,
    at: before.at,
    id: before.id,
    limit,
  });
  return rows;
}
