import type { Knex } from 'knex';

/**
 * Each tenant's audit log becomes a chain: every entry holds the SHA-256 of the
 * entry before and of its own facts. A trigger links them, under a lock of the
 * chain, so that no writer can fork it or leave an entry out, a worker of the
 * release before included. What is there already is linked now, in order.
 *
 * Each fact is hashed with its length, so that no two entries read the same.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE audit_chains (
      id     uuid PRIMARY KEY,
      length bigint NOT NULL,
      hash   bytea NOT NULL
    );
    ALTER TABLE audit_log ADD COLUMN position bigint, ADD COLUMN hash bytea;

    CREATE FUNCTION audit_chain_of(tenant_id uuid) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
      SELECT coalesce(tenant_id, '00000000-0000-0000-0000-000000000000'::uuid)
    $$;

    CREATE FUNCTION audit_fact(fact text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
      SELECT coalesce(octet_length(fact) || ':' || fact, '-') || ','
    $$;

    CREATE FUNCTION audit_genesis(chain uuid) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
      SELECT sha256(convert_to('gatehouse-audit-1:' || chain, 'UTF8'))
    $$;

    CREATE FUNCTION audit_hash(previous bytea, entry audit_log) RETURNS bytea
    LANGUAGE sql STABLE AS $$
      SELECT sha256(previous || convert_to(
        audit_fact(entry.position::text) || audit_fact(entry.id::text)
        || audit_fact(entry.seq::text) || audit_fact(entry.type) || audit_fact(entry.subject)
        || audit_fact(entry.tenant_id::text) || audit_fact(entry.actor_id)
        || audit_fact(entry.request_id) || audit_fact(entry.data::text)
        || audit_fact(to_char(entry.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
        'UTF8'))
    $$;

    CREATE FUNCTION audit_link(entry audit_log) RETURNS audit_log LANGUAGE plpgsql AS $$
    DECLARE
      key uuid := audit_chain_of(entry.tenant_id);
      head audit_chains;
    BEGIN
      SELECT * INTO head FROM audit_chains WHERE id = key FOR UPDATE;
      IF NOT FOUND THEN
        INSERT INTO audit_chains VALUES (key, 0, audit_genesis(key)) ON CONFLICT DO NOTHING;
        SELECT * INTO head FROM audit_chains WHERE id = key FOR UPDATE;
      END IF;
      entry.position := head.length + 1;
      entry.hash := audit_hash(head.hash, entry);
      UPDATE audit_chains SET length = entry.position, hash = entry.hash WHERE id = key;
      RETURN entry;
    END $$;

    LOCK TABLE audit_log IN SHARE ROW EXCLUSIVE MODE;
    ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only;
    DO $$
    DECLARE
      entry audit_log;
    BEGIN
      FOR entry IN SELECT * FROM audit_log ORDER BY seq LOOP
        entry := audit_link(entry);
        UPDATE audit_log SET position = entry.position, hash = entry.hash WHERE id = entry.id;
      END LOOP;
    END $$;
    ALTER TABLE audit_log ENABLE TRIGGER audit_log_append_only;
    ALTER TABLE audit_log ALTER COLUMN position SET NOT NULL, ALTER COLUMN hash SET NOT NULL;
    CREATE UNIQUE INDEX audit_log_chain ON audit_log (audit_chain_of(tenant_id), position);
    CREATE INDEX audit_log_occurred ON audit_log (occurred_at, seq);

    CREATE FUNCTION audit_append() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      -- The lock of the chain comes first: what another writer adds is seen after it.
      PERFORM 1 FROM audit_chains WHERE id = audit_chain_of(NEW.tenant_id) FOR UPDATE;
      -- Before ON CONFLICT could leave it out, the chain would have a link without an entry.
      IF EXISTS (SELECT 1 FROM audit_log WHERE id = NEW.id) THEN RETURN NULL; END IF;
      RETURN audit_link(NEW);
    END $$;
    CREATE TRIGGER audit_log_chain BEFORE INSERT ON audit_log
      FOR EACH ROW EXECUTE FUNCTION audit_append();
  `);
}
