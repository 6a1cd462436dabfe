import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../scripts/lib/common.mjs';
import { type Stores, startBare, startGatehouse, waitUntilReady } from './contestants.ts';

/** Milliseconds from the start of a process to its first good answer, of several starts. */
export interface StartTimes {
  name: string;
  times: number[];
  /** Most milliseconds that the median is meant to have. */
  target?: number;
  /** Why there are none. */
  failure?: string;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const VARIANT = { alg: 'RS256', format: 'jwt' } as const;

/** One `npm start`, to the first good answer, and its end. */
async function startWithNpm(): Promise<number> {
  const [port, demoPort] = [await freePort(), await freePort()];
  const begin = performance.now();
  const child = spawn('npm', ['start', '--silent'], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: String(port),
      DEMO_PORT: String(demoPort),
    },
    stdio: ['ignore', 'ignore', 'pipe'],
    // A group of its own: npm's shell does not pass signals on, so all are told, as by Ctrl-C.
    detached: true,
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  let hasEnded = false;
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => {
      hasEnded = true;
      resolve();
    });
  });
  try {
    await waitUntilReady(port, '/health/ready', () => hasEnded);
    return performance.now() - begin;
  } catch (error) {
    throw said.trim() === '' ? error : new Error(said.trim().split('\n')[0]);
  } finally {
    if (child.pid !== undefined && !hasEnded) process.kill(-child.pid, 'SIGINT');
    await exited;
  }
}

/** Start times with stores that run already and are migrated. */
export async function measureStart(stores: Stores, count: number): Promise<StartTimes[]> {
  const bare: number[] = [];
  const gatehouse: number[] = [];
  for (let round = 0; round < count; round += 1) {
    for (const [times, start] of [
      [bare, () => startBare(stores, VARIANT)],
      [gatehouse, () => startGatehouse(stores, VARIANT, 1)],
    ] as const) {
      const contestant = await start();
      times.push(contestant.readyAfter);
      await contestant.stop();
    }
  }
  return [
    { name: 'bare engine, in memory', times: bare },
    { name: 'Gatehouse, stores running', times: gatehouse, target: 1_000 },
  ];
}

/** Start times of `npm start`, which starts the stores too; the first start is not counted. */
export async function measureNpmStart(count: number): Promise<StartTimes> {
  const result = { name: 'Gatehouse, `npm start` with its own stores', target: 3_000 };
  const times: number[] = [];
  try {
    await startWithNpm();
    for (let round = 0; round < count; round += 1) times.push(await startWithNpm());
    return { ...result, times };
  } catch (error) {
    return { ...result, times, failure: (error as Error).message };
  }
}
