import type { Knex } from 'knex';

/**
 * Who a subject of another issuer is here. The key is issuer and subject, never
 * an address or a name (ASVS 6.8.1); and a user has one subject at an issuer, so
 * that a name given to somebody else there does not bring its old account along.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE external_identities (
      id         uuid PRIMARY KEY,
      tenant_id  uuid NOT NULL REFERENCES tenants,
      user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      issuer     text NOT NULL,
      subject    text NOT NULL,
      linked_by  text NOT NULL CHECK (linked_by IN ('administrator', 'email', 'username')),
      created_at timestamptz NOT NULL,
      CONSTRAINT external_identities_subject UNIQUE (issuer, subject),
      CONSTRAINT external_identities_user UNIQUE (user_id, issuer)
    );
    CREATE INDEX external_identities_tenant ON external_identities (tenant_id);
  `);
}
