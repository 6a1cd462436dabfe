import type { Knex } from 'knex';

/**
 * A sink may say which events it wants: the others do not wait for it. Most events
 * concern none of our own consumers, and a usual sign-in should cost no deliveries.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    -- Patterns, one of which an event's type and data must contain; null: all events.
    ALTER TABLE outbox_sinks ADD COLUMN wants jsonb;

    CREATE FUNCTION outbox_wants(wants jsonb, type text, data jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE AS $$
      SELECT wants IS NULL OR EXISTS (
        SELECT 1 FROM jsonb_array_elements(wants) AS pattern
         WHERE jsonb_build_object('type', type, 'data', data) @> pattern)
    $$;

    CREATE OR REPLACE FUNCTION outbox_deliver() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO outbox_deliveries (sink, seq, event_id)
      SELECT s.name, m.seq, m.id
        FROM marked m JOIN before b USING (id) CROSS JOIN outbox_sinks s
       WHERE b.published_at IS NULL AND m.published_at IS NOT NULL
         AND outbox_wants(s.wants, m.type, m.data)
      ON CONFLICT DO NOTHING;
      RETURN NULL;
    END $$;
  `);
}
