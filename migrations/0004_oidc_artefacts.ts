import type { Knex } from 'knex';

/**
 * The engine's durable artefacts. A bearer identifier is kept as its SHA-256;
 * where the engine needs it back (a session found by uid) it is sealed beside.
 *
 * Payloads are `json`, not `jsonb`: they are only ever read whole, `json` is
 * cheaper to write and read, and it takes the `\u0000` that a client may put
 * into `state` or `nonce`, where `jsonb` refuses it.
 *
 * A session or grant that was ended keeps its row for a while, emptied: a
 * request that read it before must not bring it back by saving it after.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE sessions (
      id             uuid PRIMARY KEY,
      id_hash        bytea NOT NULL UNIQUE,
      id_sealed      bytea NOT NULL,
      user_id        uuid REFERENCES users ON DELETE CASCADE,
      tenant_id      uuid REFERENCES tenants,
      payload        json NOT NULL,
      authorizations jsonb NOT NULL DEFAULT '{}',
      client_ip      text,
      user_agent     text,
      created_at     timestamptz NOT NULL,
      last_seen_at   timestamptz NOT NULL,
      expires_at     timestamptz NOT NULL,
      ended_at       timestamptz,
      end_reason     text
    );
    CREATE INDEX sessions_user ON sessions (user_id) WHERE user_id IS NOT NULL;
    CREATE INDEX sessions_expiry ON sessions (expires_at);
    CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;

    CREATE TABLE oidc_grants (
      id          text PRIMARY KEY,
      user_id     uuid,
      client_id   text NOT NULL,
      tenant_id   uuid,
      payload     json NOT NULL,
      expires_at  timestamptz NOT NULL,
      revoked_at  timestamptz,
      replayed_at timestamptz
    );
    CREATE INDEX oidc_grants_user ON oidc_grants (user_id);
    CREATE INDEX oidc_grants_client ON oidc_grants (client_id);
    CREATE INDEX oidc_grants_expiry ON oidc_grants (expires_at);
    CREATE INDEX oidc_grants_revoked ON oidc_grants (revoked_at) WHERE revoked_at IS NOT NULL;

    -- Every refresh inserts one row and marks one consumed: few indexes, and room in the page for
    -- the mark to stay heap-only (no index is touched by it).
    CREATE TABLE oidc_refresh_tokens (
      id_hash     bytea PRIMARY KEY,
      grant_id    text NOT NULL,
      session_id  uuid,
      user_id     uuid,
      client_id   text NOT NULL,
      payload     json NOT NULL,
      consumed_at timestamptz,
      expires_at  timestamptz NOT NULL
    ) WITH (fillfactor = 70);
    CREATE INDEX oidc_refresh_tokens_grant ON oidc_refresh_tokens (grant_id);
    CREATE INDEX oidc_refresh_tokens_session ON oidc_refresh_tokens (session_id);
    CREATE INDEX oidc_refresh_tokens_expiry ON oidc_refresh_tokens (expires_at);

    -- Tokens of client registration (RFC 7591, 7592): few, and they may live for ever.
    CREATE TABLE oidc_registration_tokens (
      id_hash    bytea PRIMARY KEY,
      model      text NOT NULL CHECK (model IN ('InitialAccessToken', 'RegistrationAccessToken')),
      client_id  text,
      payload    json NOT NULL,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX oidc_registration_tokens_client ON oidc_registration_tokens (client_id);
    CREATE INDEX oidc_registration_tokens_expiry ON oidc_registration_tokens (expires_at);
  `);
}
