import type { Knex } from 'knex';

/** Signing keys and server secrets; private parts are sealed under the key-encryption key. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE signing_keys (
      kid            text PRIMARY KEY,
      alg            text NOT NULL,
      state          text NOT NULL CHECK (state IN ('next', 'current', 'retiring', 'gone')),
      public_jwk     jsonb NOT NULL,
      private_sealed bytea,
      created_at     timestamptz NOT NULL,
      activated_at   timestamptz,
      retired_at     timestamptz
    );
    CREATE UNIQUE INDEX signing_keys_one_current ON signing_keys (alg) WHERE state = 'current';

    CREATE TABLE server_secrets (
      id         uuid PRIMARY KEY,
      purpose    text NOT NULL,
      sealed     bytea NOT NULL,
      created_at timestamptz NOT NULL
    );
    CREATE INDEX server_secrets_purpose ON server_secrets (purpose, created_at DESC);
  `);
}
