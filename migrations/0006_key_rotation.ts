import type { Knex } from 'knex';

/**
 * Rotation: when a key went, at most one successor for each algorithm, and word
 * to every process of any change. A trigger tells them and not the code that
 * makes the change: so they hear of those made by hand as well.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE signing_keys ADD COLUMN gone_at timestamptz;
    UPDATE signing_keys SET gone_at = COALESCE(retired_at, created_at) WHERE state = 'gone';
    CREATE UNIQUE INDEX signing_keys_one_next ON signing_keys (alg) WHERE state = 'next';

    CREATE FUNCTION tell_keys_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_notify('gatehouse_keys', '');
      RETURN NULL;
    END $$;
    CREATE TRIGGER signing_keys_changed AFTER INSERT OR UPDATE OR DELETE ON signing_keys
      FOR EACH STATEMENT EXECUTE FUNCTION tell_keys_changed();
    CREATE TRIGGER server_secrets_changed AFTER INSERT OR UPDATE OR DELETE ON server_secrets
      FOR EACH STATEMENT EXECUTE FUNCTION tell_keys_changed();
  `);
}
