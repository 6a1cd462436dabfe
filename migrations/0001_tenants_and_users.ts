import type { Knex } from 'knex';

/** Tenants, users, their passwords and memberships. The platform itself is a tenant. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE tenants (
      id          uuid PRIMARY KEY,
      slug        text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
      name        text NOT NULL,
      is_platform boolean NOT NULL DEFAULT false,
      logo_url    text,
      colour      text CHECK (colour ~ '^#[0-9a-f]{6}$'),
      locale      text NOT NULL DEFAULT 'en',
      settings    jsonb NOT NULL DEFAULT '{}',
      created_at  timestamptz NOT NULL,
      updated_at  timestamptz NOT NULL
    );
    CREATE UNIQUE INDEX tenants_one_platform ON tenants (is_platform) WHERE is_platform;

    CREATE TABLE tenant_domains (
      domain      text PRIMARY KEY CHECK (domain = lower(domain)),
      tenant_id   uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
      verified_at timestamptz
    );

    CREATE TABLE users (
      id                uuid PRIMARY KEY,
      tenant_id         uuid NOT NULL REFERENCES tenants,
      status            text NOT NULL CHECK (status IN ('pending_verification', 'active', 'suspended', 'deactivated')),
      email             text,
      email_verified_at timestamptz,
      phone             text,
      phone_verified_at timestamptz,
      username          text,
      name              text,
      given_name        text,
      family_name       text,
      locale            text,
      zoneinfo          text,
      attributes        jsonb NOT NULL DEFAULT '{}',
      version           integer NOT NULL DEFAULT 1,
      created_at        timestamptz NOT NULL,
      updated_at        timestamptz NOT NULL,
      deactivated_at    timestamptz
    );
    CREATE UNIQUE INDEX users_email ON users (lower(email), tenant_id) WHERE email IS NOT NULL;
    CREATE UNIQUE INDEX users_phone ON users (phone, tenant_id) WHERE phone IS NOT NULL;
    CREATE UNIQUE INDEX users_username ON users (lower(username), tenant_id) WHERE username IS NOT NULL;
    CREATE INDEX users_tenant ON users (tenant_id, created_at);

    CREATE TABLE user_passwords (
      user_id    uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
      tenant_id  uuid NOT NULL REFERENCES tenants,
      hash       text NOT NULL,
      changed_at timestamptz NOT NULL
    );

    CREATE TABLE tenant_members (
      tenant_id  uuid NOT NULL REFERENCES tenants,
      user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      roles      text[] NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL,
      PRIMARY KEY (user_id, tenant_id)
    );
    CREATE INDEX tenant_members_tenant ON tenant_members (tenant_id);
  `);
}
