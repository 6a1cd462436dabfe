import type { Knex } from 'knex';

/**
 * A browser is remembered to have proved a second factor of then: it is not once
 * the user's factors or password have changed, whoever changed them. Of a
 * passkey or app that is only used, nothing changes.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE FUNCTION forget_second_factors() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      UPDATE known_browsers SET second_factor_until = NULL
       WHERE user_id = COALESCE(NEW.user_id, OLD.user_id) AND second_factor_until IS NOT NULL;
      RETURN NULL;
    END
    $$;

    CREATE TRIGGER totp_forget_second_factors
      AFTER INSERT OR DELETE OR UPDATE OF confirmed_at ON totp_authenticators
      FOR EACH ROW EXECUTE FUNCTION forget_second_factors();
    CREATE TRIGGER webauthn_forget_second_factors
      AFTER INSERT OR DELETE OR UPDATE OF disabled_at ON webauthn_credentials
      FOR EACH ROW EXECUTE FUNCTION forget_second_factors();
    CREATE TRIGGER passwords_forget_second_factors
      AFTER UPDATE OF changed_at ON user_passwords
      FOR EACH ROW WHEN (OLD.changed_at IS DISTINCT FROM NEW.changed_at)
      EXECUTE FUNCTION forget_second_factors();
  `);
}
