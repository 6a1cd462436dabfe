import { errors } from 'oidc-provider';
import type { Revocations } from '../../infra/revocations.ts';
import type { Clock } from '../../kernel/clock.ts';
import { isUuid } from '../../kernel/ids.ts';
import type { Facts } from './facts.ts';
import { gathering } from './first-tokens.ts';
import { mayNameGrant } from './ids.ts';
import { expiryOf, type ModelAdapter, unsupported } from './model-adapter.ts';
import type { Database } from './pipeline.ts';
import { currentCache } from './request-cache.ts';

const UPSERT = {
  name: 'grant-upsert',
  text: `INSERT INTO oidc_grants AS g (id, user_id, client_id, tenant_id, payload, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (id) DO UPDATE SET payload = EXCLUDED.payload, expires_at = EXCLUDED.expires_at,
      tenant_id = EXCLUDED.tenant_id
    WHERE g.revoked_at IS NULL AND g.client_id = EXCLUDED.client_id
      AND g.user_id IS NOT DISTINCT FROM EXCLUDED.user_id RETURNING 1`,
};

/** The row stays, emptied, for an hour at least: a late save must not bring the grant back. */
const REVOKE = {
  name: 'grant-revoke',
  text: `UPDATE oidc_grants SET revoked_at = $2, payload = '{}', expires_at = LEAST(expires_at, $3)
    WHERE id = $1 AND revoked_at IS NULL`,
};

/** Milliseconds that a revoked grant's row stays at least. */
const TOMBSTONE = 3_600_000;

/**
 * Grants. Every use of a token asks for its grant, so that revoking the grant
 * ends all of them; the grant's id goes to the revocation set as well, for the
 * access tokens that nobody looks up.
 */
export function createGrantAdapter(deps: {
  pool: Database;
  clock: Clock;
  facts: Facts;
  revocations: Revocations;
}): ModelAdapter {
  const { pool, clock, facts, revocations } = deps;
  return {
    ...unsupported('Grant'),
    async find(id) {
      if (!mayNameGrant(id)) return undefined;
      const parked = currentCache()?.grants.get(id);
      if (parked !== undefined) return parked === null ? undefined : JSON.parse(parked);
      const { grant_payload: payload } = await facts.grantAndSession({ grantId: id });
      return payload === null ? undefined : JSON.parse(payload);
    },
    async upsert(id, payload, expiresIn) {
      if (!mayNameGrant(id)) throw new TypeError('this cannot be the id of a grant');
      const { accountId, clientId, tid } = payload as typeof payload & { tid?: unknown };
      const values = [
        id,
        isUuid(accountId) ? accountId : null,
        clientId,
        isUuid(tid) ? tid : null,
        JSON.stringify(payload),
        expiryOf(payload, expiresIn, clock),
      ];
      const first = gathering();
      if (first) {
        first.grant = values;
        return;
      }
      const { rowCount } = await pool.query({ ...UPSERT, values });
      facts.forget([{ kind: 'grant', id }]);
      if (rowCount === 0) throw new errors.InvalidGrant('the grant was revoked');
    },
    async destroy(id) {
      if (!mayNameGrant(id)) return;
      const now = clock.now();
      const keep = Math.max(TOMBSTONE, revocations.maxTtl * 1000);
      await pool.query({ ...REVOKE, values: [id, new Date(now), new Date(now + keep)] });
      await revocations.revoke([{ kind: 'grant', id }]);
    },
  };
}
