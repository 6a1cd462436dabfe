import type { Knex } from 'knex';

/**
 * Who made an account: one that its owner made and never proved to be theirs
 * blocks nobody for ever.
 *
 * `erasures` holds, sealed, where an erased person is told of it, until that is
 * done: seconds. Without a foreign key: what refers to a user and is deleted
 * with it is what an erasure deletes.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE users ADD COLUMN self_registered boolean NOT NULL DEFAULT false;
    CREATE INDEX users_unproven ON users (created_at)
      WHERE self_registered AND status = 'pending_verification';

    CREATE TABLE erasures (
      user_id    uuid PRIMARY KEY,
      tenant_id  uuid NOT NULL,
      sealed     bytea NOT NULL,
      created_at timestamptz NOT NULL
    );
    CREATE INDEX erasures_created ON erasures (created_at);

    -- One's own history, for those who ask for their data.
    CREATE INDEX audit_log_subject ON audit_log (subject, occurred_at);
  `);
}
