import { asyncApiDocument } from '../async-document.ts';
import type { Config } from '../config.ts';
import { EVENTS } from '../events.ts';
import { createOutboxRelay } from '../features/outbox/index.ts';
import { createEventQueue } from '../infra/event-queue.ts';
import type { BrokerSink } from '../infra/sinks/nats.ts';
import type { Infrastructure } from '../infrastructure.ts';
import type { EventConsumer } from '../kernel/events.ts';

/** The brokers that the configuration names; what speaks to others is not loaded. */
async function createBrokers({ ISSUER: issuer, ...config }: Config): Promise<BrokerSink[]> {
  const brokers: BrokerSink[] = [];
  if (config.NATS_URL) {
    const { createNatsSink } = await import('../infra/sinks/nats.ts');
    brokers.push(createNatsSink({ url: config.NATS_URL, issuer }));
  }
  if (config.RABBITMQ_URL) {
    const { createRabbitmqSink } = await import('../infra/sinks/rabbitmq.ts');
    brokers.push(createRabbitmqSink({ url: config.RABBITMQ_URL, issuer }));
  }
  return brokers;
}

/**
 * The way of events to our own consumers and to brokers.
 * @param consumers asked for when the first event comes: they are made of what publishes
 */
export async function createEventParts(
  config: Config,
  infra: Infrastructure,
  consumers: () => readonly EventConsumer[],
) {
  const { clock, log, metrics, postgres } = infra;
  const eventQueue = createEventQueue({ ...infra, consumers });
  const brokers = await createBrokers(config);
  const outbox = createOutboxRelay({
    knex: postgres.knex,
    pool: postgres.pool,
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

export type EventParts = Awaited<ReturnType<typeof createEventParts>>;
