/**
 * SQL for statements by which a session begins. The person must still be who was
 * let in: a change of the password, a suspension, an erasure or a reset of second
 * factors that came between the proof and the session, and ended all there were, must
 * not miss this one. Those
 * lock the user's row first, then the password's; so is it here.
 */

/** Names of the statement's parameters, such as `$1`. */
interface BeginParameters {
  userId: string;
  /** When the password was set that was proved; null where another proof counts. */
  passwordSetAt: string;
  /** When the person signed in, seconds since the epoch. */
  signedInAt: string;
}

/** The CTE `allowed`: the user, with the tenant, if a session may begin; locked until the commit. */
export const allowedUser = ({ userId, passwordSetAt, signedInAt }: BeginParameters): string =>
  `person AS MATERIALIZED (
     SELECT id, tenant_id FROM users
      WHERE id = ${userId}::uuid AND status IN ('active', 'pending_verification')
        AND (signed_out_at IS NULL OR to_timestamp(${signedInAt}::bigint) > signed_out_at)
        FOR SHARE
   ), password AS MATERIALIZED (
     SELECT 1 FROM user_passwords
      WHERE user_id = (SELECT id FROM person) AND changed_at = ${passwordSetAt}::timestamptz
        FOR SHARE
   ), allowed AS MATERIALIZED (
     SELECT id, tenant_id FROM person
      WHERE ${passwordSetAt}::timestamptz IS NULL OR EXISTS (SELECT 1 FROM password)
   )`;

/** Names of the parameters of a new row, such as `$1`. */
type RowParameters = Record<
  | 'id'
  | 'idHash'
  | 'idSealed'
  | 'payload'
  | 'authorizations'
  | 'clientIp'
  | 'userAgent'
  | 'now'
  | 'expiresAt',
  string
>;

/** A new session of whom `allowed` names. */
export const insertSession = (row: RowParameters): string =>
  `INSERT INTO sessions (id, id_hash, id_sealed, user_id, tenant_id, payload, authorizations,
     client_ip, user_agent, created_at, last_seen_at, expires_at)
   SELECT ${row.id}::uuid, ${row.idHash}::bytea, ${row.idSealed}::bytea, allowed.id,
     allowed.tenant_id, ${row.payload}::json, ${row.authorizations}::jsonb, ${row.clientIp}::text,
     ${row.userAgent}::text, ${row.now}::timestamptz, ${row.now}::timestamptz,
     ${row.expiresAt}::timestamptz FROM allowed`;

/** The entry of a sign-in in the history of whom `allowed` names, where the session begins. */
export const insertSignIn = (
  row: Pick<RowParameters, 'clientIp' | 'userAgent' | 'now' | 'expiresAt'> &
    Record<'id' | 'sessionId' | 'amr', string>,
): string =>
  `INSERT INTO sign_ins (id, user_id, tenant_id, session_id, amr, client_ip, user_agent,
     occurred_at, expires_at)
   SELECT ${row.id}::uuid, allowed.id, allowed.tenant_id, ${row.sessionId}::uuid,
     ${row.amr}::text[], ${row.clientIp}::text, ${row.userAgent}::text, ${row.now}::timestamptz,
     ${row.expiresAt}::timestamptz FROM allowed`;
