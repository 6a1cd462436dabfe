import type { Knex } from 'knex';

/**
 * Clients that register themselves. Those that have never been given a token
 * are found by an index of their own: they are counted, and purged.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE initial_access_tokens (
      id         uuid PRIMARY KEY,
      tenant_id  uuid NOT NULL REFERENCES tenants,
      token_hash bytea NOT NULL UNIQUE,
      label      text,
      max_uses   integer NOT NULL CHECK (max_uses > 0),
      uses       integer NOT NULL DEFAULT 0,
      created_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      revoked_at timestamptz,
      CHECK (uses BETWEEN 0 AND max_uses)
    );
    CREATE INDEX initial_access_tokens_tenant ON initial_access_tokens (tenant_id, created_at);
    CREATE INDEX initial_access_tokens_expiry ON initial_access_tokens (expires_at);

    ALTER TABLE clients
      ADD COLUMN self_registered_at timestamptz,
      ADD COLUMN initial_access_token_id uuid,
      ADD COLUMN first_token_at timestamptz;
    CREATE INDEX clients_unused ON clients (self_registered_at)
      WHERE self_registered_at IS NOT NULL AND first_token_at IS NULL;
  `);
}
