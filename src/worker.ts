import type { Logger } from 'pino';

/** A piece of work that repeats; safe to run in several replicas at once. */
export interface Job {
  name: string;
  /** Milliseconds between the end of one run and the start of the next. */
  interval: number;
  /** Channel of the database whose words start a run at once (infra/notifications.ts). */
  wokenBy?: string;
  run(): Promise<unknown>;
}

export interface Worker {
  /** Runs a job now, besides its schedule. */
  wake(name: string): void;
  /** Stops the schedule and waits for runs under way. */
  stop(): Promise<void>;
}

/**
 * Runs jobs one after the other, each on its own interval. A job that fails is
 * logged and tried again at its next turn: stores that come back are enough.
 */
export function startWorker(jobs: Job[], log: Logger): Worker {
  const timers = new Map<string, NodeJS.Timeout>();
  const running = new Map<string, Promise<void>>();
  const again = new Set<string>();
  let isStopped = false;

  function schedule(job: Job, delay: number): void {
    clearTimeout(timers.get(job.name));
    if (!isStopped)
      timers.set(
        job.name,
        setTimeout(() => start(job), delay),
      );
  }

  async function once(job: Job): Promise<void> {
    try {
      await job.run();
    } catch (error) {
      log.error({ err: error, job: job.name }, 'job failed; it is tried again');
    }
  }

  function start(job: Job): void {
    if (running.has(job.name)) {
      again.add(job.name);
      return;
    }
    const run = once(job).finally(() => {
      running.delete(job.name);
      schedule(job, again.delete(job.name) ? 0 : job.interval);
    });
    running.set(job.name, run);
  }

  for (const job of jobs) schedule(job, 0);
  return {
    wake(name) {
      const job = jobs.find((candidate) => candidate.name === name);
      if (job && !isStopped) start(job);
    },
    async stop() {
      isStopped = true;
      for (const timer of timers.values()) clearTimeout(timer);
      await Promise.all(running.values());
    },
  };
}
