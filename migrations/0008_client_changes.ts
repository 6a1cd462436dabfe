import type { Knex } from 'knex';

/**
 * Clients that change: a version for those who change them at the same time,
 * and the secret before the present one, which opens until it expires.
 *
 * A used refresh token keeps its successor for a while, for clients on bad
 * networks: encrypted under a key that only the used token gives.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE clients
      ADD COLUMN version integer NOT NULL DEFAULT 1,
      ADD COLUMN previous_secret_hash bytea,
      ADD COLUMN previous_secret_sealed bytea,
      ADD COLUMN previous_secret_expires_at timestamptz,
      ADD CONSTRAINT clients_previous_secret
        CHECK ((previous_secret_hash IS NULL) = (previous_secret_expires_at IS NULL));
    ALTER TABLE oidc_refresh_tokens ADD COLUMN successor bytea;
  `);
}
