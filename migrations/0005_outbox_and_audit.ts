import type { Knex } from 'knex';

/** Events leave through the outbox; the audit log is their first reader and append-only. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE outbox_events (
      id           uuid PRIMARY KEY,
      seq          bigint GENERATED ALWAYS AS IDENTITY,
      type         text NOT NULL,
      subject      text NOT NULL,
      tenant_id    uuid,
      actor_id     text,
      request_id   text,
      traceparent  text,
      data         jsonb NOT NULL,
      occurred_at  timestamptz NOT NULL,
      published_at timestamptz
    );
    CREATE INDEX outbox_events_pending ON outbox_events (seq) WHERE published_at IS NULL;
    CREATE INDEX outbox_events_published ON outbox_events (published_at) WHERE published_at IS NOT NULL;

    CREATE TABLE audit_log (
      id          uuid PRIMARY KEY,
      seq         bigint NOT NULL,
      type        text NOT NULL,
      subject     text NOT NULL,
      tenant_id   uuid,
      actor_id    text,
      request_id  text,
      data        jsonb NOT NULL,
      occurred_at timestamptz NOT NULL
    );
    CREATE INDEX audit_log_tenant ON audit_log (tenant_id, occurred_at);

    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$;
    CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
      EXECUTE FUNCTION refuse_change();
  `);
}
