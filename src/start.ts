import cluster from 'node:cluster';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, Server as NetServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Config } from './config.ts';
import { createDeps, type Deps } from './deps.ts';
import { serveClusterMetrics } from './infra/metrics.ts';
import { migrateDatabase } from './infra/migrations.ts';
import { createJobs, startConsumers } from './jobs.ts';
import { startWorker, type Worker } from './worker.ts';

export interface Running {
  /** The TCP port in use; 0 where nothing listens. */
  port: number;
  /** Stops taking requests, lets those under way finish, then closes everything. */
  stop(reason: string): Promise<void>;
}

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

/** Milliseconds that an idle kept-alive connection stays open; longer than proxies keep theirs. */
const KEEP_ALIVE = 75_000;

/** Milliseconds within which a client must have sent all its headers (slow-loris). */
const HEADERS_TIMEOUT = 10_000;

/** Milliseconds within which a client must have sent its whole request. */
const REQUEST_TIMEOUT = 30_000;

async function listen(deps: Deps, config: Config): Promise<Server> {
  const { createRequestListener } = await import('./app.ts');
  const server = createServer(
    {
      keepAliveTimeout: KEEP_ALIVE,
      headersTimeout: HEADERS_TIMEOUT,
      requestTimeout: REQUEST_TIMEOUT,
      maxHeaderSize: 16 * 1024,
    },
    createRequestListener(deps),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: config.PORT, ...(config.HOST ? { host: config.HOST } : {}) }, resolve);
  });
  return server;
}

/** Milliseconds that kept-alive connections get for a last request, then between closing idle ones. */
const LAST_CALL = 1_000;

/**
 * Closes a server. Kept-alive connections are told with their next answer that
 * it is the last, or busy clients would go on until they are cut. Idle ones are
 * closed a moment later and not at once, as `http.Server.close` would: a request
 * may be on its way. What is still busy after `timeout` milliseconds is cut.
 */
async function drain(server: Server, timeout: number): Promise<void> {
  server.prependListener('request', (_request, response) => {
    response.shouldKeepAlive = false;
  });
  const closed = new Promise<void>((resolve) => {
    NetServer.prototype.close.call(server, () => resolve());
  });
  const idle = setInterval(() => server.closeIdleConnections(), LAST_CALL);
  const cut = setTimeout(() => server.closeAllConnections(), timeout);
  await closed;
  clearInterval(idle);
  clearTimeout(cut);
  // Only its own timers are left to it.
  server.close();
}

/** Works in the background: on a schedule, from queues, and when the database says that there is work. */
function work(deps: Deps): Worker {
  const jobs = createJobs(deps);
  const worker = startWorker(jobs, deps.log);
  for (const { name, wokenBy } of jobs) {
    if (wokenBy !== undefined) deps.notifications.listen(wokenBy, () => worker.wake(name));
  }
  startConsumers(deps);
  return worker;
}

/** Serves and works in this process, as the run mode says. */
async function startHere(config: Config): Promise<Running> {
  const deps = await createDeps(config);
  const serves = config.RUN_MODE !== 'worker';
  const works = config.RUN_MODE !== 'api';
  let server: Server | undefined;
  let worker: Worker | undefined;
  try {
    server = serves ? await listen(deps, config) : undefined;
    worker = works ? work(deps) : undefined;
  } catch (error) {
    await deps.close();
    throw error;
  }
  const port = server ? (server.address() as AddressInfo).port : 0;
  if (config.ISSUER.startsWith('https:') && config.TRUSTED_PROXIES.length === 0 && serves) {
    deps.log.warn('ISSUER is https but TRUSTED_PROXIES is empty: secure cookies cannot be set');
  }
  deps.log.info({ port, issuer: config.ISSUER, runMode: config.RUN_MODE }, 'ready');
  return {
    port,
    async stop(reason) {
      deps.log.info({ reason }, 'draining');
      deps.health.drain();
      if (server) await drain(server, config.DRAIN_TIMEOUT);
      await worker?.stop();
      await deps.close();
      deps.log.info('stopped');
    },
  };
}

/** Milliseconds before a process that died is replaced. */
const REFORK_DELAY = 500;

/** Forks processes that share the port; this one only replaces the dead and adds up metrics. */
async function startCluster(config: Config): Promise<Running> {
  cluster.setupPrimary({ exec: MAIN });
  const stopMetrics = serveClusterMetrics();
  let isStopping = false;
  for (let i = 0; i < config.WEB_CONCURRENCY; i += 1) cluster.fork();
  cluster.on('exit', () => {
    // Not at once: a process that fails on start would be forked in a busy loop.
    setTimeout(() => !isStopping && cluster.fork(), REFORK_DELAY);
  });
  const port = await new Promise<number>((resolve) => {
    cluster.once('listening', (_worker, address) => resolve(address.port));
  });
  return {
    port,
    async stop() {
      isStopping = true;
      stopMetrics();
      const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
      await Promise.all(
        workers.map(
          (worker) =>
            new Promise<void>((resolve) => {
              worker.once('exit', () => resolve());
              worker.process.kill('SIGTERM');
            }),
        ),
      );
    },
  };
}

/** Applies missing migrations and, in run mode `migrate`, does nothing else. */
async function migrateFirst(config: Config): Promise<void> {
  if (cluster.isWorker || (!config.MIGRATE_ON_START && config.RUN_MODE !== 'migrate')) return;
  await migrateDatabase(config.DATABASE_URL.reveal());
}

/**
 * Starts what the run mode says: `migrate` applies migrations and is done,
 * `api` serves, `worker` works off queues, `all` does both.
 */
export async function start(config: Config): Promise<Running> {
  await migrateFirst(config);
  if (config.RUN_MODE === 'migrate') return { port: 0, stop: async () => {} };
  const isMany = config.WEB_CONCURRENCY > 1 && config.RUN_MODE !== 'worker';
  return isMany && cluster.isPrimary ? startCluster(config) : startHere(config);
}
