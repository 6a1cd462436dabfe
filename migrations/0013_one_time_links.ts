import type { Knex } from 'knex';

/**
 * Links that are good for one use. A used one stays until it expires, so that
 * making the same link again does not bring it back. Those without a user open
 * nothing: they are written so that asking for nobody takes as long.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE one_time_links (
      token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
      purpose    text NOT NULL CHECK (purpose ~ '^[a-z-]{1,40}$'),
      tenant_id  uuid REFERENCES tenants,
      user_id    uuid REFERENCES users ON DELETE CASCADE,
      data       jsonb NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      ended_at   timestamptz,
      CHECK (expires_at > created_at AND expires_at <= created_at + interval '24 hours'),
      CHECK ((tenant_id IS NULL) = (user_id IS NULL))
    );
    CREATE INDEX one_time_links_user ON one_time_links (user_id, purpose);
    CREATE INDEX one_time_links_tenant ON one_time_links (tenant_id);
    CREATE INDEX one_time_links_expiry ON one_time_links (expires_at);
  `);
}
