import type { Knex } from 'knex';

/**
 * Each sink has its own progress: a row for every event that it still has to
 * get. The trigger writes them, so that whoever marks an event as published
 * hands it to the sinks, a worker of the release before included.
 *
 * A commit that notifies waits for every other that does, so only one of those
 * under way at a time wakes the relay; it would find the events of the others
 * as well, and looks by itself besides.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE outbox_sinks (
      name         text PRIMARY KEY,
      seen_at      timestamptz NOT NULL,
      leased_by    uuid,
      leased_until timestamptz,
      failures     integer NOT NULL DEFAULT 0,
      retry_at     timestamptz
    );

    CREATE TABLE outbox_deliveries (
      sink     text NOT NULL REFERENCES outbox_sinks (name) ON DELETE CASCADE,
      seq      bigint NOT NULL,
      event_id uuid NOT NULL REFERENCES outbox_events (id) ON DELETE CASCADE,
      PRIMARY KEY (sink, seq)
    );
    CREATE INDEX outbox_deliveries_event ON outbox_deliveries (event_id);

    CREATE FUNCTION outbox_deliver() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO outbox_deliveries (sink, seq, event_id)
      SELECT s.name, m.seq, m.id
        FROM marked m JOIN before b USING (id) CROSS JOIN outbox_sinks s
       WHERE b.published_at IS NULL AND m.published_at IS NOT NULL
      ON CONFLICT DO NOTHING;
      RETURN NULL;
    END $$;
    CREATE TRIGGER outbox_events_deliver AFTER UPDATE ON outbox_events
      REFERENCING OLD TABLE AS before NEW TABLE AS marked
      FOR EACH STATEMENT EXECUTE FUNCTION outbox_deliver();

    CREATE FUNCTION outbox_wake() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF pg_try_advisory_xact_lock(4283650) THEN PERFORM pg_notify('outbox', ''); END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER outbox_events_wake AFTER INSERT ON outbox_events
      FOR EACH STATEMENT EXECUTE FUNCTION outbox_wake();
  `);
}
