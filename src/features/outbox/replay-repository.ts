import type { Knex } from 'knex';

/** Which events are meant: those that happened from one instant until before another. */
export interface EventFilter {
  from: Date;
  to: Date;
  types?: readonly string[];
  tenantId?: string;
}

export interface LoggedEvent {
  id: string;
  type: string;
  subject: string;
  tenantId: string | null;
  actorId: string | null;
  occurredAt: Date;
}

const matching = (knex: Knex | Knex.Transaction, filter: EventFilter) =>
  knex('audit_log')
    .where('occurred_at', '>=', filter.from)
    .where('occurred_at', '<', filter.to)
    .modify((query) => {
      if (filter.types?.length) query.whereIn('type', filter.types);
      if (filter.tenantId !== undefined) query.where({ tenant_id: filter.tenantId });
    });

/** Events of the audit log, oldest first. */
export async function listLogged(
  knex: Knex,
  filter: EventFilter,
  limit: number,
): Promise<LoggedEvent[]> {
  return matching(knex, filter)
    .select({
      id: 'id',
      type: 'type',
      subject: 'subject',
      tenantId: 'tenant_id',
      actorId: 'actor_id',
      occurredAt: 'occurred_at',
    })
    .orderBy(['occurred_at', 'seq'])
    .limit(limit);
}

/** What each sink waits for, and how it goes with it. */
export interface SinkState {
  name: string;
  waiting: number;
  oldest: Date | null;
  failures: number;
  retryAt: Date | null;
}

export async function listSinks(knex: Knex): Promise<SinkState[]> {
  const { rows } = await knex.raw(
    `SELECT s.name, s.failures, s.retry_at AS "retryAt",
            (SELECT count(*)::int FROM outbox_deliveries d WHERE d.sink = s.name) AS waiting,
            (SELECT e.occurred_at FROM outbox_deliveries d JOIN outbox_events e ON e.id = d.event_id
              WHERE d.sink = s.name ORDER BY d.seq LIMIT 1) AS oldest
       FROM outbox_sinks s ORDER BY s.name`,
  );
  return rows;
}

/** The number of events that no relay has taken yet. */
export async function countUnpublished(knex: Knex): Promise<number> {
  const row = await knex('outbox_events').whereNull('published_at').count('* as count').first();
  return Number(row?.count ?? 0);
}

/**
 * Lets a batch of logged events wait for sinks once more, in their order and
 * with their ids; those that the outbox no longer has come back from the audit
 * log, which keeps no trace context.
 * @param after the last `seq` of the batch before
 * @returns the last `seq` of this batch, and its size
 */
export async function redeliver(
  knex: Knex,
  filter: EventFilter,
  sinks: readonly string[],
  options: { after: string; limit: number; now: Date },
): Promise<{ last: string; count: number }> {
  return knex.transaction(async (trx) => {
    const batch: { id: string; seq: string }[] = await matching(trx, filter)
      .where('seq', '>', options.after)
      .select('id', 'seq')
      .orderBy('seq')
      .limit(options.limit);
    const ids = batch.map(({ id }) => id);
    await trx.raw(
      `INSERT INTO outbox_events
         (id, seq, type, subject, tenant_id, actor_id, request_id, data, occurred_at, published_at)
       OVERRIDING SYSTEM VALUE
       SELECT id, seq, type, subject, tenant_id, actor_id, request_id, data, occurred_at, :now
         FROM audit_log WHERE id = ANY(:ids)
       ON CONFLICT (id) DO UPDATE SET published_at = excluded.published_at
         WHERE outbox_events.published_at IS NOT NULL`,
      { ids, now: options.now },
    );
    await trx.raw(
      `INSERT INTO outbox_deliveries (sink, seq, event_id)
       SELECT sink, e.seq, e.id FROM outbox_events e CROSS JOIN unnest(:sinks::text[]) AS sink
        WHERE e.id = ANY(:ids) ON CONFLICT DO NOTHING`,
      { ids, sinks: [...sinks] },
    );
    return { last: batch.at(-1)?.seq ?? options.after, count: batch.length };
  });
}
