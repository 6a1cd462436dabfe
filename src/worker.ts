import type { Logger } from 'pino';

/** A piece of work that repeats; safe to run in several replicas at once. */
export interface Job {
  name: string;
  /** Milliseconds between the end of one run and the start of the next. */
  interval: number;
  /**
   * Milliseconds between two runs at least, however often it is woken: what comes
   * meanwhile is done together. Default 0.
   */
  rest?: number;
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
  const endedAt = new Map<string, number>();
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
      endedAt.set(job.name, performance.now());
      schedule(job, again.delete(job.name) ? (job.rest ?? 0) : job.interval);
    });
    running.set(job.name, run);
  }

  for (const job of jobs) schedule(job, 0);
  return {
    wake(name) {
      const job = jobs.find((candidate) => candidate.name === name);
      if (!job || isStopped) return;
      const rested = performance.now() - (endedAt.get(name) ?? Number.NEGATIVE_INFINITY);
      const rest = Math.max(0, (job.rest ?? 0) - rested);
      if (rest > 0 && !running.has(name)) schedule(job, rest);
      else start(job);
    },
    async stop() {
      isStopped = true;
      for (const timer of timers.values()) clearTimeout(timer);
      await Promise.all(running.values());
    },
  };
}
