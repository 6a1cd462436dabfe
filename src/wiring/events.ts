import { asyncApiDocument } from '../async-document.ts';
import type { Config } from '../config.ts';
import { EVENTS } from '../events.ts';
import { createOutboxRelay } from '../features/outbox/index.ts';
import { createEventQueue } from '../infra/event-queue.ts';
import { type BrokerSink, createNatsSink } from '../infra/sinks/nats.ts';
import { createRabbitmqSink } from '../infra/sinks/rabbitmq.ts';
import type { Infrastructure } from '../infrastructure.ts';
import type { EventConsumer } from '../kernel/events.ts';

/** The brokers that the configuration names. */
function createBrokers({ ISSUER: issuer, NATS_URL, RABBITMQ_URL }: Config): BrokerSink[] {
  return [
    ...(NATS_URL ? [createNatsSink({ url: NATS_URL, issuer })] : []),
    ...(RABBITMQ_URL ? [createRabbitmqSink({ url: RABBITMQ_URL, issuer })] : []),
  ];
}

/**
 * The way of events to our own consumers and to brokers.
 * @param consumers asked for when the first event comes: they are made of what publishes
 */
export function createEventParts(
  config: Config,
  infra: Infrastructure,
  consumers: () => readonly EventConsumer[],
) {
  const { clock, log, metrics, postgres } = infra;
  const eventQueue = createEventQueue({ ...infra, consumers });
  const brokers = createBrokers(config);
  const outbox = createOutboxRelay({
    knex: postgres.knex,
    clock,
    sinks: [eventQueue.sink, ...brokers],
    onPublished: (sink, count) => metrics.outboxPublishedTotal.inc({ sink }, count),
    onFailure(sink, error, failures) {
      metrics.outboxSinkFailuresTotal.inc({ sink });
      log.warn({ err: error, sink, failures }, 'events not published yet');
    },
  });
  let document: string | undefined;
  return {
    eventQueue,
    brokers,
    outbox,
    asyncApi() {
      document ??= JSON.stringify(asyncApiDocument(EVENTS, config.ISSUER));
      return document;
    },
  };
}

export type EventParts = ReturnType<typeof createEventParts>;
