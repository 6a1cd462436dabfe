import type { Knex } from 'knex';

/**
 * What people prove who they are by, beside a password: TOTP authenticators,
 * WebAuthn credentials and recovery codes; and how long a browser is remembered
 * to have proved a second factor.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE totp_authenticators (
      id           uuid PRIMARY KEY,
      user_id      uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      tenant_id    uuid NOT NULL REFERENCES tenants,
      name         text NOT NULL,
      seed_sealed  bytea NOT NULL,
      -- The time step of the last code that was taken: none up to it is taken again.
      last_step    bigint,
      created_at   timestamptz NOT NULL,
      -- Null until the first code has shown that the seed arrived: no factor before.
      confirmed_at timestamptz,
      last_used_at timestamptz
    );
    CREATE INDEX totp_authenticators_user_id ON totp_authenticators (user_id);

    CREATE TABLE webauthn_credentials (
      id               uuid PRIMARY KEY,
      user_id          uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      tenant_id        uuid NOT NULL REFERENCES tenants,
      name             text NOT NULL,
      credential_id    bytea NOT NULL UNIQUE,
      public_key       bytea NOT NULL,
      counter          bigint NOT NULL,
      transports       text[] NOT NULL DEFAULT '{}',
      aaguid           uuid,
      -- Backup eligible and backed up, as the authenticator says (WebAuthn Level 3, 6.1.3).
      is_synced_type   boolean NOT NULL,
      is_backed_up     boolean NOT NULL,
      created_at       timestamptz NOT NULL,
      last_used_at     timestamptz,
      -- Its counter went backwards: it may have been cloned, and opens nothing any more.
      disabled_at      timestamptz
    );
    CREATE INDEX webauthn_credentials_user_id ON webauthn_credentials (user_id);

    CREATE TABLE recovery_codes (
      id         uuid PRIMARY KEY,
      user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      tenant_id  uuid NOT NULL REFERENCES tenants,
      code_hash  bytea NOT NULL,
      created_at timestamptz NOT NULL,
      used_at    timestamptz
    );
    CREATE INDEX recovery_codes_user_id ON recovery_codes (user_id);

    -- Kinds of second factors that a user can be asked for: read with the user at each sign-in.
    CREATE FUNCTION second_factors(uuid) RETURNS text[] LANGUAGE sql STABLE AS $$
      SELECT array_remove(ARRAY[
        CASE WHEN EXISTS (SELECT 1 FROM webauthn_credentials
                           WHERE user_id = $1 AND disabled_at IS NULL) THEN 'webauthn' END,
        CASE WHEN EXISTS (SELECT 1 FROM totp_authenticators
                           WHERE user_id = $1 AND confirmed_at IS NOT NULL) THEN 'totp' END
      ], NULL)
    $$;

    -- Until when a sign-in from this browser needs no second factor again.
    ALTER TABLE known_browsers ADD COLUMN second_factor_until timestamptz;
    -- When the user was first told that a second factor is due: the grace period begins.
    ALTER TABLE users ADD COLUMN second_factor_asked_at timestamptz;
  `);
}
