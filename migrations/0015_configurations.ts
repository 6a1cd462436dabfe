import type { Knex } from 'knex';

/**
 * Settings that administrators change while the service runs: of the platform
 * (no tenant) or of one tenant. What must stay secret is sealed beside.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE configurations (
      id                 uuid PRIMARY KEY,
      tenant_id          uuid REFERENCES tenants ON DELETE CASCADE,
      "group"            text NOT NULL CHECK ("group" IN ('MAIL', 'SMS')),
      key                text NOT NULL CHECK (length(key) BETWEEN 1 AND 100),
      settings           jsonb NOT NULL,
      credentials_sealed bytea,
      version            integer NOT NULL DEFAULT 1,
      updated_at         timestamptz NOT NULL,
      CONSTRAINT configurations_key UNIQUE NULLS NOT DISTINCT (tenant_id, "group", key)
    );
  `);
}
