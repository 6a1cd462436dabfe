import type { Knex } from 'knex';

/** OAuth clients: registration metadata as the engine knows it, the secret apart from it. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE clients (
      client_id      text PRIMARY KEY,
      tenant_id      uuid NOT NULL REFERENCES tenants,
      is_first_party boolean NOT NULL DEFAULT false,
      metadata       jsonb NOT NULL,
      secret_hash    bytea,
      secret_sealed  bytea,
      disabled_at    timestamptz,
      created_at     timestamptz NOT NULL,
      updated_at     timestamptz NOT NULL
    );
    CREATE INDEX clients_tenant ON clients (tenant_id, created_at);
  `);
}
