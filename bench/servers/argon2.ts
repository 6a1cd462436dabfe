/**
 * The ceiling of password sign-ins: threads that verify one argon2id hash again
 * and again, with nothing around it. Prints verifications per second.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { hashSync, verifySync } from '@node-rs/argon2';
import { DEFAULT_COST } from '../../src/infra/passwords/index.ts';
import { PASSWORD } from '../lib/world.ts';

interface Task {
  encoded: string;
  /** Milliseconds since the epoch. */
  begin: number;
  end: number;
}

/** Milliseconds that the threads get to come up. */
const LEAD = 400;

function verifyUntilEnd({ encoded, begin, end }: Task): number {
  while (Date.now() < begin) verifySync(encoded, PASSWORD);
  let count = 0;
  while (Date.now() < end) {
    verifySync(encoded, PASSWORD);
    count += 1;
  }
  // The last one ran over the end.
  return count / ((Date.now() - begin) / 1_000);
}

async function measure(threads: number, seconds: number): Promise<number> {
  const encoded = hashSync(PASSWORD, { algorithm: 2, ...DEFAULT_COST });
  const begin = Date.now() + LEAD;
  const task: Task = { encoded, begin, end: begin + seconds * 1_000 };
  const rates = await Promise.all(
    Array.from(
      { length: threads },
      () =>
        new Promise<number>((resolve, reject) => {
          const worker = new Worker(new URL(import.meta.url), { workerData: task });
          worker.once('message', resolve);
          worker.once('error', reject);
        }),
    ),
  );
  return rates.reduce((sum, rate) => sum + rate, 0);
}

if (isMainThread) {
  const [threads, seconds] = process.argv.slice(2).map(Number);
  process.stdout.write(JSON.stringify(await measure(threads ?? 1, seconds ?? 1)));
} else {
  parentPort?.postMessage(verifyUntilEnd(workerData as Task));
}
