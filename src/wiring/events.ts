import { createOutboxRelay, type OutboxRelay } from '../features/outbox/index.ts';
import type { Infrastructure } from '../infrastructure.ts';
import type { EventSink } from '../kernel/events.ts';

/** The relay from the outbox to these sinks. */
export function createRelay(infra: Infrastructure, sinks: readonly EventSink[]): OutboxRelay {
  const { clock, log, metrics, postgres } = infra;
  return createOutboxRelay({
    knex: postgres.knex,
    clock,
    sinks,
    onPublished: (sink, count) => metrics.outboxPublishedTotal.inc({ sink }, count),
    onFailure(sink, error, failures) {
      metrics.outboxSinkFailuresTotal.inc({ sink });
      log.warn({ err: error, sink, failures }, 'events not published yet');
    },
  });
}
