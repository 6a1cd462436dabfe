import { readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { after } from 'node:test';
import pg from 'pg';
import { claimDirectory, DATA_DIR } from '../../scripts/lib/common.mjs';
import { startPostgres } from '../../scripts/lib/postgres.mjs';
import { startRedis } from '../../scripts/lib/redis.mjs';
import { parseConfig } from '../../src/config.ts';
import { createDeps } from '../../src/deps.ts';
import { migrateDatabase } from '../../src/infra/migrations.ts';
import { type Reachable, randomText } from '../flows/support.ts';
import { seedClient, seedPeople, testEnvironment } from '../helpers/gatehouse.ts';
import { type ServerProcess, startProcess } from '../helpers/process.ts';

/** A store of a test's own that may be stopped, frozen or killed. */
export interface Store {
  url: string;
  /** Stops it without warning, as a power cut or the OOM killer would. */
  crash(): Promise<void>;
  /** Freezes it: connections stay, nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Starts it again on its data and its port. */
  restart(): Promise<void>;
}

interface Service {
  pid: number;
  port: number;
  url: string;
  exited: Promise<string>;
  stop(): Promise<void>;
}

const parentOf = (pid: string): number => {
  try {
    // The name in parentheses may contain spaces: what follows it is fixed.
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1]);
  } catch {
    return 0;
  }
};

/** A process and its children: a database serves each connection by one. */
const withChildren = (pid: number): number[] => [
  pid,
  ...readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map(Number),
];

function signalAll(pids: number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended in the meantime.
    }
  }
}

async function createStore(start: () => Promise<Service>): Promise<Store> {
  let service = await start();
  let frozen: number[] = [];
  const thaw = () => {
    signalAll(frozen, 'SIGCONT');
    frozen = [];
  };
  after(async () => {
    thaw();
    await service.stop();
  });
  return {
    url: service.url,
    async crash() {
      signalAll(withChildren(service.pid), 'SIGKILL');
      await service.exited;
    },
    freeze() {
      frozen = withChildren(service.pid);
      signalAll(frozen, 'SIGSTOP');
    },
    thaw,
    async restart() {
      service = await start();
    },
  };
}

export interface Stores {
  postgres: Store;
  redis: Store;
  /** URL of a new, empty database. */
  databaseUrl: string;
}

/** Durable stores of a test file's own, with a new database; both are stopped after it. */
export async function startStores(name: string): Promise<Stores> {
  const dir = path.join(DATA_DIR, 'test', `slow-${name}`);
  const claim = claimDirectory(dir);
  if (!('release' in claim)) throw new Error(`process ${claim.owner} runs these tests already`);
  const options = { durable: true, log: () => {} };
  const redisDir = path.join(dir, 'redis');
  rmSync(path.join(redisDir, 'data'), { recursive: true, force: true });
  const [postgres, redis] = await Promise.all([
    createStore(() => startPostgres({ ...options, dataDir: path.join(dir, 'postgres') })),
    createStore(() => startRedis({ ...options, dataDir: redisDir })),
  ]);
  after(claim.release);
  const database = `slow_${Date.now()}`;
  const client = new pg.Client(postgres.url);
  await client.connect();
  const { rows } = await client.query(
    `SELECT datname FROM pg_database WHERE datname LIKE 'slow_%'`,
  );
  for (const { datname } of rows) await client.query(`DROP DATABASE ${datname} WITH (FORCE)`);
  await client.query(`CREATE DATABASE ${database}`);
  await client.end();
  const url = new URL(postgres.url);
  url.pathname = `/${database}`;
  return { postgres, redis, databaseUrl: url.href };
}

export interface Installation extends Reachable {
  stores: Stores;
  environment: Record<string, string>;
  /** The server; `start` replaces it after a kill. */
  server: ServerProcess;
  start(settings?: Record<string, string>): Promise<ServerProcess>;
}

/** A whole installation: stores, a server process, people and a client. */
export async function install(
  name: string,
  settings: Record<string, string> = {},
): Promise<Installation> {
  const stores = await startStores(name);
  const environment = await testEnvironment({
    DATABASE_URL: stores.databaseUrl,
    REDIS_URL: stores.redis.url,
    ...settings,
  });
  const config = parseConfig(environment);
  await migrateDatabase(config.DATABASE_URL.reveal());
  const deps = await createDeps(config);
  const people = await seedPeople(deps);
  const client = await seedClient(deps, people.tenantId);
  await deps.close();
  const installation: Installation = {
    people,
    client,
    url: config.ISSUER,
    stores,
    environment,
    server: await startProcess(environment),
    async start(more = {}) {
      installation.server = await startProcess({ ...environment, ...more });
      return installation.server;
    },
  };
  after(async () => {
    installation.server.kill('SIGKILL');
    await installation.server.exited;
  });
  return installation;
}

/** Resident memory of a process, in MiB. */
export function memoryOf(pid: number): number {
  const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1_024;
}

/** Repeats `work` until `milliseconds` have passed, with time to breathe: there are budgets. */
export async function during(milliseconds: number, work: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + milliseconds;
  while (performance.now() < deadline) {
    await work();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Repeats `condition` until it holds. @returns the milliseconds that it took */
export async function until(
  condition: () => Promise<boolean>,
  timeout: number,
  what: string,
): Promise<number> {
  const begin = performance.now();
  while (!(await condition())) {
    if (performance.now() - begin > timeout) throw new Error(`${what}: not within ${timeout} ms`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return performance.now() - begin;
}

/** A value no cache can have seen. */
export const fresh = (): string => randomText(8);
