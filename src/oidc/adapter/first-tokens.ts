import { errors } from 'oidc-provider';
import { allowedUser, insertSession, insertSignIn } from '../../features/session/index.ts';
import { insertEvent } from '../../kernel/event-row.ts';
import type { Database } from './pipeline.ts';
import { currentCache, type FirstTokens, type RequestCache } from './request-cache.ts';

/**
 * The first tokens of a person who has signed in by our own API: session with its
 * event, an entry in the history, grant and refresh token. All of them or none, and none where the account
 * was closed, or got another password, since the person was let in.
 */
const BEGIN = {
  name: 'first-tokens',
  text: `WITH ${allowedUser({
    userId: '$1',
    passwordSetAt: '$2',
    signedInAt: "($6::json ->> 'loginTs')",
  })},
    began AS (${insertSession({
      id: '$3',
      idHash: '$4',
      idSealed: '$5',
      payload: '$6',
      authorizations: '$7',
      clientIp: '$8',
      userAgent: '$9',
      now: '$10',
      expiresAt: '$11',
    })}),
    noted AS (${insertSignIn({
      id: '$26',
      sessionId: '$3',
      amr: '$27',
      clientIp: '$8',
      userAgent: '$9',
      now: '$10',
      expiresAt: '$28',
    })}),
    told AS (${insertEvent('$12', 'allowed')}),
    given AS (
      INSERT INTO oidc_grants (id, user_id, client_id, tenant_id, payload, expires_at)
      SELECT $13, $14::uuid, $15, $16::uuid, $17::json, $18::timestamptz FROM allowed)
    INSERT INTO oidc_refresh_tokens
      (id_hash, grant_id, session_id, user_id, client_id, payload, expires_at)
    SELECT $19::bytea, $20, $21::uuid, $22::uuid, $23, $24::json, $25::timestamptz FROM allowed`,
};

/** The parts that this request gathers, if it is one that begins with a session. */
export const gathering = (): FirstTokens | undefined => currentCache()?.first;

/**
 * Writes what was gathered, with the refresh token that goes with it.
 * @returns false when nothing was gathered
 * @throws InvalidGrant when the person may not come in any more
 */
export async function writeFirstTokens(
  pool: Database,
  cache: RequestCache | undefined,
  refreshToken: unknown[],
): Promise<boolean> {
  const { session, grant } = cache?.first ?? {};
  if (!cache || !session || !grant) return false;
  cache.first = undefined;
  cache.deferred.delete('first-tokens');
  const { uid, idHash, idSealed, payload, authorizations, clientIp, userAgent } = session;
  const values = [
    ...[session.userId, session.passwordSetAt, uid, idHash, idSealed, payload, authorizations],
    ...[clientIp, userAgent, session.now, session.expiresAt, session.event],
    ...grant,
    ...refreshToken,
    ...[session.history.id, session.history.amr, session.history.expiresAt],
  ];
  const { rowCount } = await pool.query({ ...BEGIN, values });
  if (rowCount === 0) throw new errors.InvalidGrant('the account was closed or changed meanwhile');
  return true;
}
