import type { Knex } from 'knex';

/**
 * Browsers that a user has signed in from, and single access tokens that were
 * revoked: the revocation set in Redis is filled again from them, and asked of
 * them while Redis is away.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE known_browsers (
      id            uuid PRIMARY KEY,
      user_id       uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      tenant_id     uuid NOT NULL REFERENCES tenants,
      browser_hash  bytea NOT NULL,
      -- For the notice of a new sign-in; emptied when it has been sent.
      client_ip     text,
      user_agent    text,
      first_seen_at timestamptz NOT NULL,
      last_seen_at  timestamptz NOT NULL,
      expires_at    timestamptz NOT NULL,
      UNIQUE (user_id, browser_hash)
    );
    CREATE INDEX known_browsers_expires_at ON known_browsers (expires_at);

    CREATE TABLE revoked_tokens (
      jti        text PRIMARY KEY,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX revoked_tokens_expires_at ON revoked_tokens (expires_at);
  `);
}
