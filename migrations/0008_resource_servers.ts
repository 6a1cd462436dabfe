import type { Knex } from 'knex';

/**
 * APIs that tokens are issued for (RFC 8707). The audience names one API in the
 * whole deployment: were it another one's as well, whoever registers it second
 * would mint tokens for the first.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE resource_servers (
      audience         text PRIMARY KEY,
      tenant_id        uuid NOT NULL REFERENCES tenants,
      name             text NOT NULL,
      scopes           jsonb NOT NULL,
      access_token_ttl integer,
      signing_alg      text,
      format           text NOT NULL CHECK (format IN ('jwt', 'opaque')),
      is_disabled      boolean NOT NULL DEFAULT false,
      version          integer NOT NULL DEFAULT 1,
      created_at       timestamptz NOT NULL,
      updated_at       timestamptz NOT NULL
    );
    CREATE INDEX resource_servers_tenant ON resource_servers (tenant_id, created_at);
  `);
}
