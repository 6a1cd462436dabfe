import type { Knex } from 'knex';

/**
 * Clients that change: a version for those who change them at the same time,
 * and the secret before the present one, which opens until it expires.
 *
 * A used refresh token gives its successor again for a few seconds, to clients
 * on bad networks: kept encrypted under a key that only the used token gives,
 * and apart from the tokens, whose rows are written at every refresh.
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

    CREATE TABLE oidc_refresh_successors (
      id_hash    bytea PRIMARY KEY,
      ciphertext bytea NOT NULL,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX oidc_refresh_successors_expiry ON oidc_refresh_successors (expires_at);
  `);
}
