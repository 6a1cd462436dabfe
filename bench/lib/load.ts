import { type Connection, openConnection } from './http.ts';
import { quantile, type Run } from './stats.ts';

/** Connections that are kept busy at once, each with one request under way. */
export const CONNECTIONS = 32;

/**
 * One unit of work on one connection. `false`: there is no more of it. A number:
 * the milliseconds that count of it, where it is not all that it took.
 */
export type Unit = (worker: number, connection: Connection) => Promise<false | number | undefined>;

export interface Load {
  port: number;
  unit: Unit;
  /** Ends after so many seconds, or when the work is used up. */
  seconds: number;
  /** Reads the processor time of the contestant so far, milliseconds. */
  cpu(): number;
}

async function withConnections<T>(port: number, work: (all: Connection[]) => Promise<T>) {
  const all = await Promise.all(Array.from({ length: CONNECTIONS }, () => openConnection(port)));
  try {
    return await work(all);
  } finally {
    for (const connection of all) connection.close();
  }
}

/** Calls `work` once for each of so many items, on as many connections as a load has. */
export function forEachOf(
  port: number,
  count: number,
  work: (index: number, connection: Connection) => Promise<void>,
): Promise<void> {
  return withConnections(port, async (all) => {
    let next = 0;
    await Promise.all(
      all.map(async (connection) => {
        while (next < count) await work(next++, connection);
      }),
    );
  });
}

/**
 * Runs a closed loop: every connection starts its next unit when the last one
 * is answered. @throws what a unit throws: a run with one wrong answer is none
 */
export function runLoad({ port, unit, seconds, cpu }: Load): Promise<Run> {
  return withConnections(port, async (all) => {
    const latencies: number[] = [];
    const before = { cpu: cpu(), own: process.cpuUsage() };
    const begin = performance.now();
    const end = begin + seconds * 1_000;
    let last = begin;
    await Promise.all(
      all.map(async (connection, worker) => {
        let started = performance.now();
        while (started < end) {
          const outcome = await unit(worker, connection);
          if (outcome === false) return;
          last = performance.now();
          latencies.push(outcome ?? last - started);
          started = last;
        }
      }),
    );
    const elapsed = last - begin;
    const own = process.cpuUsage(before.own);
    const sorted = Float64Array.from(latencies).sort();
    return {
      rate: (latencies.length / elapsed) * 1_000,
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      cpu: (cpu() - before.cpu) / latencies.length,
      generator: (own.user + own.system) / 1_000 / elapsed,
    };
  });
}
