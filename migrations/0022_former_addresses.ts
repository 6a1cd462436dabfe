import type { Knex } from 'knex';

/**
 * Addresses that were a user's until just now: where the user is told of the
 * change. Sealed, there until the mail is queued, and gone with the user.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE former_addresses (
      id         uuid PRIMARY KEY,
      tenant_id  uuid NOT NULL REFERENCES tenants,
      user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      what       text NOT NULL CHECK (what IN ('email', 'phone')),
      sealed     bytea NOT NULL,
      created_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX former_addresses_user ON former_addresses (user_id);
    CREATE INDEX former_addresses_tenant ON former_addresses (tenant_id);
    CREATE INDEX former_addresses_expiry ON former_addresses (expires_at);
  `);
}
