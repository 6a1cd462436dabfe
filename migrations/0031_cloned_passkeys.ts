import type { Knex } from 'knex';

/**
 * Whoever clones the only authenticator of an account must not thereby bring it
 * back to its password alone: where only disabled ones are left, a second factor is
 * still due (`blocked`), which a recovery code or an administrator's reset takes the
 * place of.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE OR REPLACE FUNCTION second_factors(uuid) RETURNS text[] LANGUAGE sql STABLE AS $$
      SELECT CASE
        WHEN cardinality(working) = 0
         AND EXISTS (SELECT 1 FROM webauthn_credentials WHERE user_id = $1) THEN ARRAY['blocked']
        ELSE working END
      FROM (SELECT array_remove(ARRAY[
        CASE WHEN EXISTS (SELECT 1 FROM webauthn_credentials
                           WHERE user_id = $1 AND disabled_at IS NULL) THEN 'webauthn' END,
        CASE WHEN EXISTS (SELECT 1 FROM totp_authenticators
                           WHERE user_id = $1 AND confirmed_at IS NOT NULL) THEN 'totp' END
      ], NULL)) AS kinds (working)
    $$;
  `);
}
