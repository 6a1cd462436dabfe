import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../scripts/lib/common.mjs';
import { openConnection } from './http.ts';
import { cpuOf, familyOf, memoryOf } from './processes.ts';
import { ISSUER, type World } from './world.ts';

export type ContestantName = 'bare' | 'gatehouse ×1' | 'gatehouse ×2';

/** How tokens are made: what differs between the groups of scenarios. */
export interface Variant {
  alg: 'RS256' | 'ES256';
  format: 'jwt' | 'opaque';
}

/** A server under test. */
export interface Contestant {
  name: ContestantName;
  port: number;
  /** Milliseconds from the start of the process to its first good answer. */
  readyAfter: number;
  /** Processor time so far of all its processes, milliseconds. */
  cpu(): number;
  /** Resident memory of all its processes, megabytes. */
  memory(): number;
  stop(): Promise<void>;
}

/** Stores and secrets that all processes of Gatehouse share. */
export interface Stores {
  env: Record<string, string>;
  world: World;
  /** Directory for logs. */
  dir: string;
}

/** Milliseconds that a server has to become ready. */
const PATIENCE = 60_000;
const POLL = 4;

const pathTo = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

async function answers(port: number, path: string): Promise<boolean> {
  try {
    const connection = await openConnection(port);
    try {
      const request = `GET ${path} HTTP/1.1\r\nHost: ${new URL(ISSUER).host}\r\nX-Forwarded-Proto: https\r\n\r\n`;
      return (await connection.send(request)).status === 200;
    } finally {
      connection.close();
    }
  } catch {
    return false;
  }
}

/** Waits for the first good answer. @throws when the process ends or takes too long */
export async function waitUntilReady(
  port: number,
  path: string,
  hasEnded: () => boolean,
): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  while (!(await answers(port, path))) {
    if (hasEnded()) throw new Error('the server ended before it was ready');
    if (performance.now() > deadline) throw new Error('the server does not become ready');
    await sleep(POLL);
  }
}

interface Launch {
  name: ContestantName;
  script: string;
  env: Record<string, string>;
  readyPath: string;
  logFile: string;
}

/** Starts a server. Its log goes to a file: writing it is part of the work. */
async function launch(options: Launch): Promise<Contestant> {
  const port = await freePort();
  const log = createWriteStream(options.logFile, { flags: 'a' });
  await new Promise<void>((resolve) => log.once('open', () => resolve()));
  const begin = performance.now();
  const child = spawn(process.execPath, [options.script], {
    env: { PATH: process.env.PATH ?? '', PORT: String(port), ...options.env },
    stdio: ['ignore', log, log],
  });
  let hasEnded = false;
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => {
      hasEnded = true;
      resolve();
    });
  });
  await waitUntilReady(port, options.readyPath, () => hasEnded);
  const readyAfter = performance.now() - begin;
  log.close();
  const pids = familyOf(child.pid ?? 0);
  return {
    name: options.name,
    port,
    readyAfter,
    cpu: () => cpuOf(pids),
    memory: () => memoryOf(pids),
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** Starts Gatehouse as in production: https issuer, a trusted proxy, log at level info. */
export const startGatehouse = (
  stores: Stores,
  { alg, format }: Variant,
  processes: 1 | 2,
): Promise<Contestant> =>
  launch({
    name: `gatehouse ×${processes}`,
    script: pathTo('../../src/main.ts'),
    readyPath: '/health/ready',
    logFile: `${stores.dir}/gatehouse.log`,
    env: {
      ...stores.env,
      WEB_CONCURRENCY: String(processes),
      SIGNING_ALG: alg,
      ACCESS_TOKEN_FORMAT: format,
    },
  });

export const startBare = (stores: Stores, { alg, format }: Variant): Promise<Contestant> =>
  launch({
    name: 'bare',
    script: pathTo('../servers/bare.ts'),
    readyPath: '/.well-known/openid-configuration',
    logFile: `${stores.dir}/bare.log`,
    env: {
      NODE_ENV: 'production',
      WORLD: JSON.stringify(stores.world),
      SIGNING_ALG: alg,
      ACCESS_TOKEN_FORMAT: format,
    },
  });
