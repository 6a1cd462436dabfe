import type { Knex } from 'knex';
import type pg from 'pg';
import type { EventSink, PublishedEvent } from '../../kernel/events.ts';

interface EventRow {
  id: string;
  seq: string;
  type: string;
  subject: string;
  tenant_id: string | null;
  actor_id: string | null;
  request_id: string | null;
  traceparent: string | null;
  data: Record<string, unknown>;
  occurred_at: Date;
}

/** An event on its way to a sink. */
export interface Delivery {
  seq: string;
  event: PublishedEvent;
}

const toEvent = (row: EventRow): PublishedEvent => ({
  id: row.id,
  type: row.type,
  subject: row.subject,
  tenantId: row.tenant_id,
  actorId: row.actor_id,
  requestId: row.request_id,
  traceparent: row.traceparent,
  data: row.data,
  occurredAt: row.occurred_at.toISOString(),
});

/** Any number, the same for every process: names the lock under which events are given their order. */
const ORDER_LOCK = 4_283_651;

/** One statement, so that a relay that dies or freezes never holds the lock. */
const DISTRIBUTE = {
  name: 'outbox-distribute',
  text: `WITH turn AS MATERIALIZED (
      SELECT pg_advisory_xact_lock($1)
    ), batch AS MATERIALIZED (
      SELECT e.* FROM outbox_events e
       WHERE e.published_at IS NULL AND (SELECT count(*) FROM turn) = 1
       ORDER BY e.seq LIMIT $2 FOR UPDATE OF e SKIP LOCKED
    ), logged AS (
      INSERT INTO audit_log (id, seq, type, subject, tenant_id, actor_id, request_id, data, occurred_at)
      SELECT id, seq, type, subject, tenant_id, actor_id, request_id, data, occurred_at
        FROM batch ORDER BY seq
      ON CONFLICT (id) DO NOTHING
    ), marked AS (
      UPDATE outbox_events e SET published_at = $3 FROM batch WHERE e.id = batch.id RETURNING 1
    )
    SELECT (SELECT count(*)::int FROM marked) AS taken,
           EXISTS (SELECT 1 FROM batch b JOIN outbox_sinks s ON outbox_wants(s.wants, b.type, b.data))
             AS "isWanted"`,
};

/**
 * Writes a batch of new events to the audit log and hands them to the sinks (a
 * trigger does), oldest first. One after the other among all relays, or a later
 * event might reach a sink before an earlier one of its subject. What another relay
 * took while this one waited is left out, as it is marked by then.
 * @returns how many were taken, and whether any sink wants one of them
 */
export async function distribute(pool: pg.Pool, now: Date, batchSize: number) {
  const values = [ORDER_LOCK, batchSize, now];
  const { rows } = await pool.query<{ taken: number; isWanted: boolean }>({
    ...DISTRIBUTE,
    values,
  });
  return rows[0] ?? { taken: 0, isWanted: false };
}
/**
 * Makes sinks known, or says that they are still in use: all relays collect events for
 * them. What a sink wants in one release or another, it gets while both run.
 */
export async function registerSinks(
  knex: Knex,
  sinks: readonly Pick<EventSink, 'name' | 'wants'>[],
  now: Date,
): Promise<void> {
  const given = sinks.map(({ name, wants }) => ({ name, wants: wants?.() }));
  await knex.raw(
    `INSERT INTO outbox_sinks AS s (name, wants, seen_at)
     SELECT name, wants, ? FROM json_to_recordset(?) AS given(name text, wants jsonb)
     ON CONFLICT (name) DO UPDATE SET seen_at = greatest(s.seen_at, excluded.seen_at),
       wants = CASE WHEN s.wants IS NULL OR excluded.wants IS NULL THEN excluded.wants
         ELSE (SELECT jsonb_agg(DISTINCT pattern)
                 FROM jsonb_array_elements(s.wants || excluded.wants) AS pattern) END`,
    [now, JSON.stringify(given)],
  );
}

const IS_FREE = `(leased_until IS NULL OR leased_until < clock_timestamp() OR leased_by = :owner)
  AND (retry_at IS NULL OR retry_at <= :now)`;

/** Those of the sinks that events wait for, that nobody else serves now and that may be tried. */
export async function findDueSinks(
  knex: Knex,
  names: readonly string[],
  owner: string,
  now: Date,
): Promise<string[]> {
  const { rows } = await knex.raw(
    `SELECT s.name FROM outbox_sinks s
      WHERE s.name = ANY(:names) AND ${IS_FREE}
        AND EXISTS (SELECT 1 FROM outbox_deliveries d WHERE d.sink = s.name)`,
    { names: [...names], owner, now },
  );
  return rows.map(({ name }: { name: string }) => name);
}

/** Who serves a sink, and for how long nobody else may. */
export interface Lease {
  sink: string;
  owner: string;
  milliseconds: number;
}

/**
 * Takes the right to serve a sink, which one relay has at a time: that keeps
 * events in order. By the clock of the database, which all relays share.
 * @returns whether it was free
 */
export async function takeLease(knex: Knex, lease: Lease, now: Date): Promise<boolean> {
  const { rowCount } = await knex.raw(
    `UPDATE outbox_sinks
        SET leased_by = :owner,
            leased_until = clock_timestamp() + :milliseconds * interval '1 millisecond'
      WHERE name = :sink AND ${IS_FREE}`,
    { ...lease, now },
  );
  return rowCount === 1;
}

/** The next events for a sink, oldest first. */
export async function readWaiting(
  knex: Knex,
  sink: string,
  batchSize: number,
): Promise<Delivery[]> {
  const { rows } = await knex.raw(
    `SELECT e.* FROM outbox_deliveries d JOIN outbox_events e ON e.id = d.event_id
      WHERE d.sink = ? ORDER BY d.seq LIMIT ?`,
    [sink, batchSize],
  );
  return rows.map((row: EventRow) => ({ seq: row.seq, event: toEvent(row) }));
}

/**
 * Notes that a sink has these events, and renews the lease.
 * @returns false when the lease is lost: another relay serves the sink
 */
export async function settle(
  knex: Knex,
  lease: Lease,
  deliveries: readonly Delivery[],
): Promise<boolean> {
  const { rows } = await knex.raw(
    `WITH held AS (
       UPDATE outbox_sinks
          SET leased_until = clock_timestamp() + :milliseconds * interval '1 millisecond',
              failures = 0, retry_at = NULL
        WHERE name = :sink AND leased_by = :owner RETURNING name
     ), gone AS (
       DELETE FROM outbox_deliveries d USING held WHERE d.sink = held.name AND d.seq = ANY(:seqs)
     )
     SELECT count(*)::int AS held FROM held`,
    { ...lease, seqs: deliveries.map(({ seq }) => seq) },
  );
  return rows[0].held === 1;
}

/** Gives the lease back. */
export async function releaseLease(knex: Knex, { sink, owner }: Lease): Promise<void> {
  await knex('outbox_sinks')
    .where({ name: sink, leased_by: owner })
    .update({ leased_by: null, leased_until: null });
}

/** Counts a failure and gives the lease back; nobody tries the sink before `retryAt`. */
export async function noteFailure(
  knex: Knex,
  { sink, owner }: Lease,
  retryAt: (failures: number) => Date,
): Promise<number> {
  const [row] = await knex('outbox_sinks')
    .where({ name: sink, leased_by: owner })
    .increment('failures')
    .returning('failures');
  const failures: number = row?.failures ?? 1;
  await knex('outbox_sinks')
    .where({ name: sink, leased_by: owner })
    .update({ leased_by: null, leased_until: null, retry_at: retryAt(failures) });
  return failures;
}

/** When the oldest event was written that is not in the audit log, and that each sink lacks. */
export async function readOldest(
  knex: Knex,
  names: readonly string[],
): Promise<{ unpublished: Date | null; sinks: { name: string; oldest: Date | null }[] }> {
  const { rows } = await knex.raw(
    `SELECT NULL AS name, (SELECT occurred_at FROM outbox_events
        WHERE published_at IS NULL ORDER BY seq LIMIT 1) AS oldest
     UNION ALL
     SELECT given.name, (SELECT e.occurred_at FROM outbox_deliveries d
          JOIN outbox_events e ON e.id = d.event_id
         WHERE d.sink = given.name ORDER BY d.seq LIMIT 1)
       FROM unnest(?::text[]) AS given(name)`,
    [[...names]],
  );
  const all = rows as { name: string | null; oldest: Date | null }[];
  return {
    unpublished: all.find(({ name }) => name === null)?.oldest ?? null,
    sinks: all.flatMap(({ name, oldest }) => (name === null ? [] : { name, oldest })),
  };
}

/**
 * Deletes, at most `batchSize` of each: events published before `published`
 * that every sink has; all that were published before `ultimate`; and what
 * waits for sinks that no relay has had since `published`.
 * @returns how many events
 */
export async function purge(
  knex: Knex,
  before: { published: Date; ultimate: Date },
  batchSize: number,
): Promise<number> {
  await knex.raw(
    `DELETE FROM outbox_deliveries d USING (
       SELECT d.sink, d.seq FROM outbox_deliveries d JOIN outbox_sinks s ON s.name = d.sink
        WHERE s.seen_at < ? LIMIT ?) AS old
      WHERE d.sink = old.sink AND d.seq = old.seq`,
    [before.published, batchSize],
  );
  await knex.raw(
    `DELETE FROM outbox_sinks s WHERE seen_at < ?
        AND NOT EXISTS (SELECT 1 FROM outbox_deliveries d WHERE d.sink = s.name)`,
    [before.published],
  );
  const { rowCount } = await knex.raw(
    `DELETE FROM outbox_events WHERE id IN (
       SELECT id FROM outbox_events e
        WHERE published_at < :ultimate OR (published_at < :published
          AND NOT EXISTS (SELECT 1 FROM outbox_deliveries d WHERE d.event_id = e.id))
        LIMIT :batchSize FOR UPDATE SKIP LOCKED)`,
    { ...before, batchSize },
  );
  return rowCount ?? 0;
}

/** What is written of one subject, the newest first. */
export async function listHistory(
  knex: Knex,
  subject: string,
  limit: number,
): Promise<{ type: string; occurredAt: Date; data: Record<string, unknown> }[]> {
  return knex('audit_log')
    .where({ subject })
    .orderBy([
      { column: 'occurred_at', order: 'desc' },
      { column: 'id', order: 'desc' },
    ])
    .limit(limit)
    .select('type', 'data', { occurredAt: 'occurred_at' });
}
