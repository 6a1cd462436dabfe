import type { AdapterPayload } from 'oidc-provider';
import { errors } from 'oidc-provider';
import { API_CLIENT_ID } from '../../features/client/index.ts';
import { type SessionLimits, touchSession } from '../../features/session/index.ts';
import type { Clock } from '../../kernel/clock.ts';
import { currentRequest } from '../../kernel/current-request.ts';
import { isUuid } from '../../kernel/ids.ts';
import { RefreshRaceLost } from '../internals.ts';
import type { Facts } from './facts.ts';
import { writeFirstTokens } from './first-tokens.ts';
import { hashId, mayName, mayNameGrant } from './ids.ts';
import { expiryOf, type ModelAdapter, unsupported } from './model-adapter.ts';
import type { Database } from './pipeline.ts';
import { findSuccessor, rotateWithGrace } from './refresh-successor.ts';
import { type Consuming, currentCache, type Reuse, settle } from './request-cache.ts';

const MODEL = 'RefreshToken';

const COLUMNS = 'id_hash, grant_id, session_id, user_id, client_id, payload, expires_at';

const UPSERT = {
  name: 'refresh-upsert',
  text: `INSERT INTO oidc_refresh_tokens (${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (id_hash) DO UPDATE SET payload = EXCLUDED.payload, expires_at = EXCLUDED.expires_at`,
};

const CONSUME = {
  name: 'refresh-consume',
  text: `UPDATE oidc_refresh_tokens SET consumed_at = $2
    WHERE id_hash = $1 AND consumed_at IS NULL RETURNING 1`,
};

/** Both or neither: a token that was consumed already, or is gone, gets no successor. */
const ROTATE = {
  name: 'refresh-rotate',
  text: `WITH consumed AS (UPDATE oidc_refresh_tokens SET consumed_at = $9
      WHERE id_hash = $8 AND consumed_at IS NULL RETURNING 1)
    INSERT INTO oidc_refresh_tokens (${COLUMNS})
    SELECT $1, $2, $3::uuid, $4::uuid, $5, $6::json, $7 FROM consumed RETURNING 1`,
};

/**
 * The same for a session of the first-party API, which nothing but its refreshes
 * keeps alive: it must be alive, and is touched. Its row is locked first, as
 * every revocation does.
 */
const ROTATE_TOUCHING = {
  name: 'refresh-rotate-touching',
  text: `WITH touched AS (${touchSession({
    id: '$3',
    now: '$9',
    idle: '$10',
    absolute: '$11',
    clientIp: '$12',
    userAgent: '$13',
  })}),
    consumed AS (UPDATE oidc_refresh_tokens SET consumed_at = $9
      WHERE id_hash = $8 AND consumed_at IS NULL AND (SELECT count(*) FROM touched) = 1
      RETURNING 1)
    INSERT INTO oidc_refresh_tokens (${COLUMNS})
    SELECT $1, $2, $3::uuid, $4::uuid, $5, $6::json, $7 FROM consumed RETURNING 1`,
};

const IS_USED = {
  name: 'refresh-is-used',
  text: 'SELECT 1 FROM oidc_refresh_tokens WHERE id_hash = $1 AND consumed_at IS NOT NULL',
};

const DESTROY = {
  name: 'refresh-destroy',
  text: 'DELETE FROM oidc_refresh_tokens WHERE id_hash = $1',
};

/** Locks in the order of keys, like every revocation; see features/session/grants.ts. */
const REVOKE = {
  name: 'refresh-revoke',
  text: `DELETE FROM oidc_refresh_tokens WHERE id_hash IN (
    SELECT id_hash FROM oidc_refresh_tokens WHERE grant_id = $1 ORDER BY id_hash FOR UPDATE)`,
};

function toValues(id: string, payload: AdapterPayload, expiresAt: Date | 'infinity'): unknown[] {
  const { jti: _jti, consumed: _consumed, ...kept } = payload;
  const { grantId, sessionUid, accountId, clientId } = kept;
  if (!mayNameGrant(grantId)) throw new errors.InvalidGrant('the refresh token has no grant');
  return [
    hashId(id),
    grantId,
    isUuid(sessionUid) ? sessionUid : null,
    isUuid(accountId) ? accountId : null,
    clientId,
    JSON.stringify(kept),
    expiresAt,
  ];
}

/**
 * Refresh tokens. A refresh costs one read and one write: `find` brings grant,
 * session and user along, and `consume` waits for the successor that the engine
 * saves next, so that both are one statement. Where none follows, the request's
 * end writes it (`runWithRequestCache`); outside a request it is written at once.
 * The engine's event `refresh_token.consumed` therefore comes before the fact.
 */
export function createRefreshTokenAdapter(deps: {
  pool: Database;
  clock: Clock;
  facts: Facts;
  sessionLimits: SessionLimits;
}): ModelAdapter {
  const { pool, clock, facts, sessionLimits } = deps;

  /**
   * Says why a token that was alive a moment ago could not be used: another
   * request has used it, or it was revoked, which is nobody's theft.
   */
  async function refuse(hash: Buffer): Promise<never> {
    const { rowCount } = await pool.query({ ...IS_USED, values: [hash] });
    throw rowCount === 0
      ? new errors.InvalidGrant('the refresh token was revoked')
      : new RefreshRaceLost('the refresh token was used before');
  }

  async function consumeNow(hash: Buffer, at: Date): Promise<void> {
    const { rowCount } = await pool.query({ ...CONSUME, values: [hash, at] });
    if (rowCount === 0) await refuse(hash);
  }

  async function rotate(
    payload: AdapterPayload,
    successor: unknown[],
    used: Consuming,
  ): Promise<void> {
    const hash = Buffer.from(used.hash, 'hex');
    const values = [...successor, hash, used.at];
    const request = currentRequest();
    const { idle, absolute } = sessionLimits;
    const touch = [idle, absolute, request?.clientIp ?? null, request?.userAgent ?? null];
    const { rowCount } = await pool.query(
      payload.clientId === API_CLIENT_ID
        ? { ...ROTATE_TOUCHING, values: [...values, ...touch] }
        : { ...ROTATE, values },
    );
    if (rowCount === 0) await refuse(hash);
  }

  /** A rotation of a client that has a reuse grace; a repeated use makes nothing new. */
  async function rotateOrRepeat(
    reuse: Reuse,
    used: Consuming,
    successor: { id: string; values: unknown[] },
  ): Promise<void> {
    // The read of the token has found out already that this is a repeated use.
    if (reuse.successor !== undefined) return;
    reuse.successor = await rotateWithGrace(pool, { ...used, grace: reuse.grace }, successor);
  }

  /** Whether a used token gives its successor again in this request. */
  async function isRepeatable(id: string): Promise<boolean> {
    const reuse = currentCache()?.reuse;
    if (!reuse) return false;
    reuse.successor = await findSuccessor(pool, id, new Date(clock.now()));
    return reuse.successor !== undefined;
  }

  return {
    ...unsupported(MODEL),
    async find(id) {
      if (!mayName(MODEL, id)) return undefined;
      await settle(currentCache(), 'refresh-consume');
      const hash = hashId(id);
      const row = await facts.refreshToken(hash);
      if (!row) return undefined;
      currentCache()?.owners.set(hash.toString('hex'), row.grant_id);
      const isUsed = row.consumed_at !== null && !(await isRepeatable(id));
      const consumed = isUsed && row.consumed_at && Math.floor(row.consumed_at.getTime() / 1000);
      return { ...JSON.parse(row.payload), jti: id, ...(consumed && { consumed }) };
    },
    async upsert(id, payload, expiresIn) {
      const values = toValues(id, payload, expiryOf(payload, expiresIn, clock));
      const cache = currentCache();
      const consuming = cache?.consuming;
      if (cache && consuming && consuming.grantId === payload.grantId) {
        cache.deferred.delete('refresh-consume');
        cache.consuming = undefined;
        return cache.reuse
          ? rotateOrRepeat(cache.reuse, consuming, { id, values })
          : rotate(payload, values, consuming);
      }
      await settle(cache, 'refresh-consume');
      if (await writeFirstTokens(pool, cache, values)) return;
      await pool.query({ ...UPSERT, values });
    },
    async consume(id) {
      const hash = hashId(id);
      const at = new Date(clock.now());
      const cache = currentCache();
      if (!cache) return consumeNow(hash, at);
      await settle(cache, 'refresh-consume');
      const hex = hash.toString('hex');
      cache.consuming = { id, hash: hex, grantId: cache.owners.get(hex), at };
      cache.deferred.set('refresh-consume', () => {
        cache.consuming = undefined;
        return consumeNow(hash, at);
      });
    },
    async destroy(id) {
      await settle(currentCache(), 'refresh-consume');
      await pool.query({ ...DESTROY, values: [hashId(id)] });
    },
    async revokeByGrantId(grantId) {
      if (!mayNameGrant(grantId)) return;
      await settle(currentCache(), 'refresh-consume');
      // A rotation in flight may add a successor that this statement does not see: until none is left.
      for (let isLeft = true; isLeft; ) {
        const { rowCount } = await pool.query({ ...REVOKE, values: [grantId] });
        isLeft = rowCount !== 0;
      }
    },
  };
}
