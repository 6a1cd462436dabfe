import type { Clock } from '../../kernel/clock.ts';
import { hashId, mayName } from './ids.ts';
import { expiryOf, type ModelAdapter, unsupported } from './model-adapter.ts';
import type { Database } from './pipeline.ts';

const FIND = {
  name: 'registration-find',
  text: `SELECT payload::text AS payload FROM oidc_registration_tokens
    WHERE id_hash = $1 AND model = $2 AND expires_at > $3`,
};

const UPSERT = {
  name: 'registration-upsert',
  text: `INSERT INTO oidc_registration_tokens (id_hash, model, client_id, payload, expires_at)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id_hash) DO UPDATE
    SET payload = EXCLUDED.payload, expires_at = EXCLUDED.expires_at`,
};

const DESTROY = {
  name: 'registration-destroy',
  text: 'DELETE FROM oidc_registration_tokens WHERE id_hash = $1 AND model = $2',
};

const model = 'RegistrationAccessToken';

/**
 * Registration access tokens (RFC 7592 3). A client manages its registration
 * with one for years: they are durable.
 */
export function createRegistrationTokenAdapter({
  pool,
  clock,
}: {
  pool: Database;
  clock: Clock;
}): ModelAdapter {
  return {
    ...unsupported(model),
    async find(id) {
      if (!mayName(model, id)) return undefined;
      const values = [hashId(id), model, new Date(clock.now())];
      const row = (await pool.query<{ payload: string }>({ ...FIND, values })).rows[0];
      return row && { ...JSON.parse(row.payload), jti: id };
    },
    async upsert(id, payload, expiresIn) {
      const { jti: _jti, ...kept } = payload;
      const expiresAt = expiryOf(payload, expiresIn, clock);
      const values = [hashId(id), model, kept.clientId ?? null, JSON.stringify(kept), expiresAt];
      await pool.query({ ...UPSERT, values });
    },
    async destroy(id) {
      await pool.query({ ...DESTROY, values: [hashId(id), model] });
    },
  };
}
