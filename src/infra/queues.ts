import { type Job, Queue, UnrecoverableError, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';

/** How often a job is tried, and how long the first pause is; each pause is twice the last. */
export interface QueueOptions {
  attempts: number;
  /** Milliseconds before the second try. */
  backoff: number;
}

/** What a consumer does with a job; throwing means that it is tried again. */
export type Handler<T> = (
  data: T,
  facts: { /** 1 for the first try. */ attempt: number; isLast: boolean },
) => Promise<void>;

/** A queue of one kind of job, in Redis. At least once: handlers are idempotent. */
export interface JobQueue<T> {
  /** Adds a job, unless one of this id is there already. */
  add(id: string, data: T): Promise<void>;
  /** Works jobs off in this process until the queues are closed. */
  consume(handler: Handler<T>, options?: { concurrency?: number }): void;
}

export interface Queues {
  create<T extends object>(name: string, options: QueueOptions): JobQueue<T>;
  /** Stops consuming, waits for jobs under way. */
  close(): Promise<void>;
}

/** Thrown by a handler when another try would meet the same end. */
export class PermanentJobError extends UnrecoverableError {}

/** Finished jobs that stay for a look; failed ones stay longer. Both are bounded. */
const KEEP_DONE = { age: 3_600, count: 1_000 };
const KEEP_FAILED = { age: 7 * 24 * 3_600, count: 10_000 };

/**
 * Queues for work that must be tried again until it succeeds. What must not be
 * lost with Redis also has a row in Postgres from which it is queued again.
 * @param options.prefix put before every key; the braces keep a queue in one
 *   slot of a cluster
 */
export function createQueues(options: { url: string; prefix: string; log: Logger }): Queues {
  const { url, log } = options;
  const prefix = `{${options.prefix}queue}`;
  const open: { close(): Promise<unknown> }[] = [];
  const onError = (name: string) => (error: Error) =>
    log.warn({ err: error, queue: name }, 'queue connection');
  /** Of a producer: fails at once while Redis is down, since a request waits for it. */
  let producer: Redis | undefined;
  const producing = (): Redis => {
    producer ??= new Redis(url, {
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      connectTimeout: 2_000,
    });
    producer.on('error', onError('producer'));
    return producer;
  };

  return {
    create<T extends object>(name: string, { attempts, backoff }: QueueOptions): JobQueue<T> {
      let queue: Queue | undefined;
      const connect = (): Queue => {
        if (queue) return queue;
        queue = new Queue(name, { connection: producing(), prefix, skipVersionCheck: true });
        queue.on('error', onError(name));
        open.push(queue);
        return queue;
      };
      return {
        async add(id, data) {
          await connect().add(name, data, {
            jobId: id,
            attempts,
            backoff: { type: 'exponential', delay: backoff },
            removeOnComplete: KEEP_DONE,
            removeOnFail: KEEP_FAILED,
          });
        },
        consume(handler, { concurrency = 8 } = {}) {
          const connection = new Redis(url, { maxRetriesPerRequest: null });
          const work = async (job: Job): Promise<void> => {
            const attempt = job.attemptsMade + 1;
            await handler(job.data as T, { attempt, isLast: attempt >= attempts });
          };
          const worker = new Worker(name, work, {
            connection,
            prefix,
            concurrency,
            skipVersionCheck: true,
          });
          worker.on('error', onError(name));
          open.push({
            async close() {
              await worker.close();
              connection.disconnect();
            },
          });
        },
      };
    },
    async close() {
      await Promise.all(open.map((one) => one.close()));
      producer?.disconnect();
    },
  };
}
