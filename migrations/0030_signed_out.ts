import type { Knex } from 'knex';

/**
 * When a user was signed out everywhere because the sign-ins so far may not have been
 * theirs: one that was made before then begins no session any more, however long its
 * browser has kept it back.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE users ADD COLUMN signed_out_at timestamptz');
}
