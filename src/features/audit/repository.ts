import type { Knex } from 'knex';
import type { PublishedEvent } from '../../kernel/events.ts';

interface EventRow {
  id: string;
  type: string;
  subject: string;
  tenant_id: string | null;
  actor_id: string | null;
  request_id: string | null;
  traceparent: string | null;
  data: Record<string, unknown>;
  occurred_at: Date;
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

/**
 * Copies a batch of unpublished events to the audit log and marks them, in the
 * order in which they were written. Several relays may run: each takes rows
 * that no other holds.
 * @returns those that were taken, in order
 */
export async function publishBatch(
  trx: Knex.Transaction,
  now: Date,
  batchSize: number,
): Promise<PublishedEvent[]> {
  const { rows } = await trx.raw(
    `WITH batch AS (
       SELECT id FROM outbox_events WHERE published_at IS NULL
        ORDER BY seq LIMIT ? FOR UPDATE SKIP LOCKED
     ), logged AS (
       INSERT INTO audit_log (id, seq, type, subject, tenant_id, actor_id, request_id, data, occurred_at)
       SELECT e.id, e.seq, e.type, e.subject, e.tenant_id, e.actor_id, e.request_id, e.data, e.occurred_at
         FROM outbox_events e JOIN batch USING (id) ORDER BY e.seq
       ON CONFLICT (id) DO NOTHING
     ), marked AS (
       UPDATE outbox_events e SET published_at = ? FROM batch WHERE e.id = batch.id RETURNING e.*
     )
     SELECT * FROM marked ORDER BY seq`,
    [batchSize, now],
  );
  return rows.map(toEvent);
}

/** Age of the oldest event not yet published, in seconds; 0 when there is none. */
export async function outboxLag(knex: Knex, now: Date): Promise<number> {
  const row = await knex('outbox_events')
    .whereNull('published_at')
    .min('occurred_at as oldest')
    .first();
  return row?.oldest ? Math.max(0, (now.getTime() - new Date(row.oldest).getTime()) / 1000) : 0;
}

/** Deletes events published before `before`, at most `batchSize`; the audit log keeps them. */
export async function deletePublished(
  knex: Knex,
  before: Date,
  batchSize: number,
): Promise<number> {
  const { rowCount } = await knex.raw(
    `DELETE FROM outbox_events WHERE id IN (
       SELECT id FROM outbox_events WHERE published_at < ? LIMIT ? FOR UPDATE SKIP LOCKED)`,
    [before, batchSize],
  );
  return rowCount ?? 0;
}
