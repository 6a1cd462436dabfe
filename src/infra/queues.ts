import { type Job, Queue, UnrecoverableError, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';

/** How often a job is tried, and how long the first pause is; each pause is twice the last. */
export interface QueueOptions {
  attempts: number;
  /** Milliseconds before the second try. */
  backoff: number;
  /**
   * What became of a job is written down elsewhere: a finished one leaves no
   * trace in Redis, and its id may be added again.
   */
  isRecorded?: boolean;
  /** How long the ids of finished jobs stay, in seconds, and how many; within that none is added twice. */
  keep?: { age: number; count: number };
}

/** What a consumer does with a job; throwing means that it is tried again. */
export type Handler<T> = (
  data: T,
  facts: {
    /** 1 for the first try. */
    attempt: number;
    isLast: boolean;
    /** Empties a job that is done or given up; only its id stays. */
    forget(): Promise<void>;
  },
) => Promise<void>;

/** A queue of one kind of job, in Redis. At least once: handlers are idempotent. */
export interface JobQueue<T> {
  /**
   * Adds a job, unless one of this id is there already.
   * @throws within two seconds when Redis does not answer; it may have the job all the same
   */
  add(id: string, data: T): Promise<void>;
  /** Works jobs off in this process until the queues are closed. */
  consume(handler: Handler<T>, options?: { concurrency?: number }): void;
  /**
   * Empties jobs, in whatever state, as their handlers do with those that are done.
   * @returns how many
   */
  forget(matches: (data: T) => boolean): Promise<number>;
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

/** Milliseconds that adding a job may take; a request may wait for it. */
const ADD_TIMEOUT = 2_000;

/** Milliseconds that jobs under way have at the close; what is cut is another worker's job later. */
const CLOSE_TIMEOUT = 8_000;

/** Milliseconds after which a consumer asks a Redis again that was away. */
const RETRY_DELAY = 1_000;

/** Settles as `work` does, or rejects after so many milliseconds. */
async function within<T>(milliseconds: number, work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(what)), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Jobs that are read at a time. */
const PAGE = 500;

/** Emptied and not taken away: pages stay as they are, and one under way finds nothing when tried again. */
async function emptyJobs<T>(queue: Queue, matches: (data: T) => boolean): Promise<number> {
  let count = 0;
  for (const state of ['waiting', 'prioritized', 'delayed', 'active', 'failed'] as const) {
    for (let start = 0; ; start += PAGE) {
      const jobs = await queue.getJobs([state], start, start + PAGE - 1);
      for (const job of jobs.filter((one) => one && matches(one.data))) {
        await job.updateData({});
        count += 1;
      }
      if (jobs.length < PAGE) break;
    }
  }
  return count;
}

/** A member of BullMQ's worker that its types hide. */
interface LockHolder {
  lockManager: { close(): Promise<void> };
}

/**
 * A worker whose close waits for a Redis that is away would renew the locks of
 * its jobs for ever, and so keep the process alive.
 */
const stopRenewing = (worker: Worker): Promise<void> =>
  (worker as unknown as LockHolder).lockManager.close();

/**
 * Queues for work that must be tried again until it succeeds. What must not be
 * lost with Redis also has a row in Postgres from which it is queued again.
 * @param options.prefix put before every key; the braces keep a queue in one
 *   slot of a cluster
 */
export function createQueues(options: { url: string; prefix: string; log: Logger }): Queues {
  const { url, log } = options;
  const prefix = `{${options.prefix}queue}`;
  const consumers: (() => Promise<void>)[] = [];
  const producers: Queue[] = [];
  const onError = (name: string) => (error: Error) =>
    log.warn({ err: error, queue: name }, 'queue connection');

  const connect = (name: string, settings: object): Redis => {
    const redis = new Redis(url, settings);
    redis.on('error', onError(name));
    return redis;
  };
  let shared: Redis | undefined;
  /** Of all producers: fails at once while Redis is down, since a request waits for it. */
  const producing = (): Redis => {
    shared ??= connect('producer', {
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      connectTimeout: ADD_TIMEOUT,
    });
    return shared;
  };

  function createProducer(name: string): Queue {
    const queue = new Queue(name, { connection: producing(), prefix, skipVersionCheck: true });
    queue.on('error', onError(name));
    producers.push(queue);
    return queue;
  }

  function startConsumer(name: string, work: (job: Job) => Promise<void>, concurrency: number) {
    // BullMQ asks for this: its commands wait for a Redis that is away.
    const connection = connect(name, { maxRetriesPerRequest: null });
    // It waits for jobs on a copy, which it does not let go of while Redis is away.
    const connections = [connection];
    const duplicate = connection.duplicate.bind(connection);
    connection.duplicate = (override) => {
      const copy = duplicate(override);
      connections.push(copy);
      return copy;
    };
    const worker = new Worker(name, work, {
      ...{ connection, prefix, concurrency },
      runRetryDelay: RETRY_DELAY,
      skipVersionCheck: true,
    });
    worker.on('error', onError(name));
    consumers.push(async () => {
      try {
        await within(CLOSE_TIMEOUT, worker.close(), 'jobs are still under way');
      } catch (error) {
        onError(name)(error as Error);
      }
      for (const one of connections) one.disconnect();
      await stopRenewing(worker);
    });
  }

  return {
    create<T extends object>(name: string, options: QueueOptions): JobQueue<T> {
      const { attempts, backoff, isRecorded = false, keep = KEEP_DONE } = options;
      let queue: Queue | undefined;
      const job = {
        attempts,
        backoff: { type: 'exponential', delay: backoff },
        removeOnComplete: isRecorded || keep,
        removeOnFail: isRecorded || KEEP_FAILED,
      };
      return {
        async add(id, data) {
          queue ??= createProducer(name);
          const added = queue.add(name, data, { ...job, jobId: id });
          await within(ADD_TIMEOUT, added, `the queue ${name} does not answer`);
        },
        consume(handler, { concurrency = 8 } = {}) {
          const work = async (job: Job): Promise<void> => {
            const attempt = job.attemptsMade + 1;
            const forget = () => job.updateData({});
            await handler(job.data, { attempt, isLast: attempt >= attempts, forget });
          };
          startConsumer(name, work, concurrency);
        },
        async forget(matches) {
          queue ??= createProducer(name);
          return emptyJobs(queue, matches);
        },
      };
    },
    async close() {
      await Promise.all(consumers.map((close) => close()));
      await Promise.all(producers.map((queue) => queue.close()));
      shared?.disconnect();
    },
  };
}
