import type { Knex } from 'knex';

/**
 * An app counts from its first code on: one that was never confirmed is no factor,
 * and neither its coming nor its going makes browsers forget that one was proved.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    DROP TRIGGER totp_forget_second_factors ON totp_authenticators;
    CREATE TRIGGER totp_confirmed_forget_second_factors
      AFTER UPDATE OF confirmed_at ON totp_authenticators
      FOR EACH ROW EXECUTE FUNCTION forget_second_factors();
    CREATE TRIGGER totp_removed_forget_second_factors
      AFTER DELETE ON totp_authenticators
      FOR EACH ROW WHEN (OLD.confirmed_at IS NOT NULL) EXECUTE FUNCTION forget_second_factors();
  `);
}
