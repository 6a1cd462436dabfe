import type { Knex } from 'knex';

/** Issuers whose tokens a tenant lets its clients exchange for ours (RFC 8693). */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE trusted_issuers (
      id             uuid PRIMARY KEY,
      tenant_id      uuid NOT NULL REFERENCES tenants,
      issuer         text NOT NULL,
      jwks_uri       text,
      jwks           jsonb,
      audience       text NOT NULL,
      algs           text[] NOT NULL CHECK (cardinality(algs) > 0),
      subject_claim  text NOT NULL,
      username_claim text NOT NULL,
      link_by        text NOT NULL CHECK (link_by IN ('none', 'email', 'username')),
      max_token_age  integer NOT NULL CHECK (max_token_age > 0),
      disabled_at    timestamptz,
      created_at     timestamptz NOT NULL,
      updated_at     timestamptz NOT NULL,
      CHECK ((jwks_uri IS NULL) <> (jwks IS NULL)),
      UNIQUE (tenant_id, issuer)
    );
    CREATE INDEX trusted_issuers_issuer ON trusted_issuers (issuer);
  `);
}
