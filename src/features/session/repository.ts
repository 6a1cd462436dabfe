import type { Knex } from 'knex';
import type pg from 'pg';
import { allowedUser } from './begin.ts';
import type { EndReason } from './events.ts';
import type {
  LiveSession,
  SaveResult,
  Session,
  SignInNote,
  StoredAuthorizations,
} from './schema.ts';

/** A statement with `$n` parameters: run prepared on the pool, or inside a transaction. */
interface Statement {
  name: string;
  text: string;
}

export interface SessionRecord {
  uid: string;
  idHash: Buffer;
  idSealed: Buffer;
  renamedFrom: Buffer | null;
  userId: string | null;
  payload: string;
  /** All authorizations, and of them what this request changed or took away. */
  authorizations: StoredAuthorizations;
  changed: StoredAuthorizations;
  removed: string[];
  clientIp: string | null;
  userAgent: string | null;
  now: Date;
  expiresAt: Date;
}

/**
 * Two tabs each save the whole session: what one did not touch must not undo
 * what the other did. Authorizations are therefore merged per client, unless
 * another user has signed in. The row must still have the cookie value that the
 * request knows: a request that read it before a sign-in renamed it must not
 * take that back (session fixation).
 */
const UPDATE: Statement = {
  name: 'session-update',
  text: `UPDATE sessions s SET id_hash = $2, id_sealed = $3, user_id = $4, payload = $5,
    tenant_id = CASE WHEN s.user_id IS NOT DISTINCT FROM $4 THEN s.tenant_id
      ELSE (SELECT u.tenant_id FROM users u WHERE u.id = $4) END,
    authorizations = CASE WHEN s.user_id IS NOT DISTINCT FROM $4
      THEN (s.authorizations - $7::text[]) || $6::jsonb ELSE $8::jsonb END,
    client_ip = COALESCE($9, s.client_ip), user_agent = COALESCE($10, s.user_agent),
    last_seen_at = $11, expires_at = $12
   WHERE s.id = $1 AND s.ended_at IS NULL AND s.id_hash IN ($2, $13) RETURNING 1`,
};

/** A row that is there already was ended or renamed since: only what it lacks is added. */
const INSERT: Statement = {
  name: 'session-insert',
  text: `INSERT INTO sessions AS s (id, id_hash, id_sealed, user_id, tenant_id, payload,
     authorizations, client_ip, user_agent, created_at, last_seen_at, expires_at)
   VALUES ($1, $2, $3, $4, (SELECT u.tenant_id FROM users u WHERE u.id = $4), $5,
     $6, $7, $8, $9, $9, $10)
   ON CONFLICT (id) DO UPDATE SET authorizations = EXCLUDED.authorizations || s.authorizations
   WHERE s.ended_at IS NULL AND s.user_id = EXCLUDED.user_id RETURNING xmax = 0 AS is_new`,
};

/** Runs a statement: prepared on the pool, or inside a transaction of knex. */
export type Query = (
  statement: Statement,
  values: unknown[],
) => Promise<{ is_new?: boolean; ended_at?: Date | null }[]>;

export const onPool =
  (pool: pg.Pool): Query =>
  async ({ name, text }, values) =>
    (await pool.query({ name, text, values })).rows;

export const inTransaction =
  (trx: Knex.Transaction): Query =>
  async ({ text }, values) => {
    const bindings: unknown[] = [];
    const sql = text.replace(/\$(\d+)/g, (_match, number) => {
      bindings.push(values[Number(number) - 1]);
      return '?';
    });
    return (await trx.raw(sql, bindings as Knex.RawBinding[])).rows;
  };

export async function saveSession(query: Query, record: SessionRecord): Promise<SaveResult> {
  const { uid, idHash, idSealed, userId, payload, clientIp, userAgent, now, expiresAt } = record;
  const all = JSON.stringify(record.authorizations);
  const updated = await query(UPDATE, [
    ...[uid, idHash, idSealed, userId, payload, JSON.stringify(record.changed), record.removed],
    ...[all, clientIp, userAgent, now, expiresAt, record.renamedFrom],
  ]);
  if (updated.length > 0) return 'saved';
  const inserted = await query(INSERT, [
    ...[uid, idHash, idSealed, userId, payload, all, clientIp, userAgent, now, expiresAt],
  ]);
  if (inserted[0]) return inserted[0].is_new ? 'saved' : 'stale';
  const text = 'SELECT ended_at FROM sessions WHERE id = $1';
  const rows = await query({ name: 'session-ended', text }, [uid]);
  return rows[0] && rows[0].ended_at === null ? 'stale' : 'ended';
}

/**
 * The user, with the tenant, if a session may begin on this proof; nobody changes the
 * state or the password until the commit.
 */
export async function lockAllowedUser(
  trx: Knex.Transaction,
  userId: string,
  passwordSetAt: string | null,
  signedInAt: number | null,
): Promise<{ id: string; tenantId: string } | undefined> {
  const allowed = allowedUser({
    userId: ':userId',
    passwordSetAt: ':passwordSetAt',
    signedInAt: ':signedInAt',
  });
  const { rows } = await trx.raw(`WITH ${allowed} SELECT id, tenant_id FROM allowed`, {
    userId,
    passwordSetAt: passwordSetAt as string,
    signedInAt: signedInAt as number,
  });
  return rows[0] && { id: rows[0].id, tenantId: rows[0].tenant_id };
}

/** The user whose session this is at the moment; the row stays locked until the commit. */
export async function lockUser(trx: Knex.Transaction, uid: string): Promise<string | null> {
  const row = await trx('sessions').where({ id: uid }).forUpdate().first('user_id');
  return row?.user_id ?? null;
}

/** Notes a sign-in with where the session now is. */
export async function recordSignIn(
  trx: Knex.Transaction,
  uid: string,
  facts: SignInNote,
): Promise<void> {
  await trx.raw(
    `INSERT INTO sign_ins (id, user_id, tenant_id, session_id, amr, client_ip, user_agent,
                           occurred_at, expires_at)
     SELECT ?::uuid, user_id, tenant_id, id, ?::text[], client_ip, user_agent,
            ?::timestamptz, ?::timestamptz FROM sessions WHERE id = ?`,
    [facts.id, facts.amr, facts.now, facts.expiresAt, uid],
  );
}

/** A sign-in of a user, as its history keeps it. */
export interface NotedSignIn {
  at: Date;
  sessionId: string;
  amr: string[];
  clientIp: string | null;
  userAgent: string | null;
}

/** Sign-ins of a user that are kept yet, the newest first. */
export const listSignIns = (knex: Knex, userId: string, limit: number): Promise<NotedSignIn[]> =>
  knex('sign_ins')
    .where({ user_id: userId })
    .orderBy([
      { column: 'occurred_at', order: 'desc' },
      { column: 'id', order: 'desc' },
    ])
    .limit(limit)
    .select({
      at: 'occurred_at',
      sessionId: 'session_id',
      amr: 'amr',
      clientIp: 'client_ip',
      userAgent: 'user_agent',
    });

export interface EndedSession {
  id: string;
  user_id: string | null;
  tenant_id: string | null;
  authorizations: StoredAuthorizations;
}

/** Which sessions to end: all members that are given must fit. */
export interface SessionFilter {
  idHash?: Buffer;
  id?: string;
  userId?: string;
  tenantId?: string;
  exceptId?: string | undefined;
}

/**
 * Sign-ins of seconds before this one begin no session any more.
 * @param second since the epoch, as the engine counts sign-ins: those of the same one still do
 */
export async function refuseSignInsBefore(
  trx: Knex.Transaction,
  userId: string,
  second: number,
): Promise<void> {
  await trx.raw(
    `UPDATE users SET signed_out_at = greatest(signed_out_at, to_timestamp(?) - interval '1 ms')
      WHERE id = ?`,
    [second, userId],
  );
}

/**
 * Ends live sessions: the row stays, without cookie value and payload, until
 * `keepUntil`, so that a late save finds it. Locked in the order of ids, as
 * everywhere, so that two of these cannot deadlock.
 */
export async function endSessions(
  trx: Knex.Transaction,
  filter: SessionFilter,
  end: { reason: EndReason; now: Date; keepUntil: Date },
): Promise<EndedSession[]> {
  const live = trx('sessions').select('id').whereNull('ended_at').orderBy('id').forUpdate();
  live.where('expires_at', '>', end.now);
  if (filter.idHash) live.where('id_hash', filter.idHash);
  if (filter.id) live.where('id', filter.id);
  if (filter.userId) live.where('user_id', filter.userId);
  if (filter.tenantId) live.where('tenant_id', filter.tenantId);
  if (filter.exceptId) live.whereNot('id', filter.exceptId);
  return trx('sessions')
    .whereIn('id', live)
    .update({
      ended_at: end.now,
      end_reason: end.reason,
      id_sealed: Buffer.alloc(0),
      payload: '{}',
      client_ip: null,
      user_agent: null,
      expires_at: trx.raw('LEAST(expires_at, ?)', [end.keepUntil]),
    })
    .returning(['id', 'user_id', 'tenant_id', 'authorizations']);
}

/** An ended session whose row is still there. */
export const findEnded = (
  knex: Knex,
  filter: { id: string; userId: string; tenantId: string },
): Promise<EndedSession | undefined> =>
  knex('sessions')
    .where({ id: filter.id, user_id: filter.userId, tenant_id: filter.tenantId })
    .whereNotNull('ended_at')
    .first('id', 'user_id', 'tenant_id', 'authorizations');

interface ListedRow {
  id: string;
  user_id: string;
  payload: { amr?: string[] };
  authorizations: StoredAuthorizations;
  client_ip: string | null;
  user_agent: string | null;
  created_at: Date;
  last_seen_at: Date;
  expires_at: Date;
}

const toSession = (row: ListedRow): Session => ({
  id: row.id,
  userId: row.user_id,
  createdAt: row.created_at.toISOString(),
  lastSeenAt: row.last_seen_at.toISOString(),
  expiresAt: row.expires_at.toISOString(),
  clientIp: row.client_ip,
  userAgent: row.user_agent,
  amr: row.payload.amr ?? [],
  clients: Object.keys(row.authorizations),
});

/** Live sessions of a user of this tenant, the one used last first; at most 200. */
export async function listSessions(
  knex: Knex,
  tenantId: string,
  userId: string,
  now: Date,
): Promise<Session[]> {
  const rows: ListedRow[] = await knex('sessions')
    .where({ tenant_id: tenantId, user_id: userId })
    .whereNull('ended_at')
    .where('expires_at', '>', now)
    .orderBy([
      { column: 'last_seen_at', order: 'desc' },
      { column: 'id', order: 'desc' },
    ])
    .limit(200);
  return rows.map(toSession);
}

/** A session that lives and is a user's. */
export async function findLive(
  knex: Knex,
  id: string,
  now: Date,
): Promise<LiveSession | undefined> {
  const row = await knex('sessions')
    .where({ id })
    .whereNull('ended_at')
    .whereNotNull('user_id')
    .where('expires_at', '>', now)
    .first('user_id', 'payload');
  if (!row) return undefined;
  const { amr = [], acr = null, loginTs = 0 } = row.payload;
  return { id, userId: row.user_id, amr, acr, authTime: loginTs };
}
