import type { Knex } from 'knex';

/**
 * Sign-ins with the device and address that they came from, for the person's own
 * history. Apart from events, which leave the service and tell neither; gone with
 * the user, and after `expires_at`.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE sign_ins (
      id          uuid PRIMARY KEY,
      user_id     uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      tenant_id   uuid NOT NULL REFERENCES tenants,
      session_id  uuid NOT NULL,
      amr         text[] NOT NULL,
      client_ip   text,
      user_agent  text,
      occurred_at timestamptz NOT NULL,
      expires_at  timestamptz NOT NULL
    );
    CREATE INDEX sign_ins_user ON sign_ins (user_id, occurred_at, id);
    CREATE INDEX sign_ins_expires_at ON sign_ins (expires_at);
  `);
}
