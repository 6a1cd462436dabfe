import type { EventConsumer, EventSink, PublishedEvent } from '../kernel/events.ts';
import type { Queues } from './queues.ts';

interface EventJob {
  consumer: string;
  event: PublishedEvent;
}

/** Tries over about four hours: what a consumer needs may be away that long. */
const RETRIES = { attempts: 12, backoff: 5_000 };

/**
 * Tells our own consumers of events, by a queue with one job for each consumer
 * and event: a consumer that fails holds up no other.
 * @param consumers asked for when the first event comes: they are made of what publishes
 */
export function createEventQueue(options: {
  queues: Pick<Queues, 'create'>;
  consumers(): readonly EventConsumer[];
}) {
  const queue = options.queues.create<EventJob>('events', RETRIES);
  const sink: EventSink = {
    name: 'consumers',
    wants: () => options.consumers().map(({ pattern }) => pattern),
    async publish(events) {
      const jobs = events.flatMap((event) =>
        options
          .consumers()
          .filter((consumer) => consumer.type === event.type && consumer.concerns(event))
          .map((consumer) => ({ consumer: consumer.name, event })),
      );
      await Promise.all(jobs.map((job) => queue.add(`${job.consumer}-${job.event.id}`, job)));
    },
  };
  return {
    sink,
    /** Works the jobs off in this process. */
    consume: () =>
      queue.consume(async ({ consumer, event }) => {
        // One that a newer or older release had is nobody's.
        const found = options.consumers().find(({ name }) => name === consumer);
        await found?.handle(event);
      }),
  };
}
