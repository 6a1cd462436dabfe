// PostgreSQL and Redis together, for `npm start`, the tests and the benchmarks.
import path from 'node:path';
import { claimDirectory, DATA_DIR, errorCode, UserError } from './common.mjs';
import { startPostgres } from './postgres.mjs';
import { startRedis } from './redis.mjs';

/** So many test runs can use this repository at the same time. */
const TEST_SLOTS = 16;

/**
 * @typedef {object} Services
 * @property {string} databaseUrl
 * @property {string} redisUrl
 * @property {{ name: string, exited: Promise<string> }[]} started those that run here
 * @property {() => Promise<void>} stop stops those that run here
 * @property {() => void} kill the same at once, without waiting
 */

/**
 * Starts what no URL is given for, both at the same time, and logs one step for each.
 * @param {object} options
 * @param {string} options.dir from `claimDevelopment` or `claimTestSlot`
 * @param {boolean} options.durable false for data that may be lost
 * @param {{ postgres: number, redis: number }} [options.ports] wanted on the first start
 * @param {string | undefined} options.databaseUrl a server that runs already
 * @param {string | undefined} options.redisUrl a server that runs already
 * @param {import('./common.mjs').Logger} options.logger
 * @returns {Promise<Services>}
 * @throws {UserError} when one does not start; the other is stopped then
 */
export async function startServices({ dir, durable, ports, databaseUrl, redisUrl, logger }) {
  const wanted = [
    () =>
      startOne(logger, 'PostgreSQL', databaseUrl, (log) => {
        const dataDir = path.join(dir, 'postgres');
        return startPostgres({ dataDir, durable, log, ...(ports && { port: ports.postgres }) });
      }),
    () =>
      startOne(logger, 'Redis', redisUrl, (log) => {
        const dataDir = path.join(dir, 'redis');
        return startRedis({ dataDir, durable, log, ...(ports && { port: ports.redis }) });
      }),
  ];
  const results = await Promise.allSettled(wanted.map((start) => start()));
  const services = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  const running = services.flatMap(({ service }) => service ?? []);
  const stop = async () => {
    await Promise.all(running.map((service) => service.stop()));
  };
  const failed = results.find((result) => result.status === 'rejected');
  const [postgres, redis] = services;
  if (failed || !postgres || !redis) {
    await stop();
    throw failed?.reason;
  }
  return {
    databaseUrl: postgres.url,
    redisUrl: redis.url,
    started: services.flatMap(({ name, service }) =>
      service ? { name, exited: service.exited } : [],
    ),
    stop,
    kill: () => {
      for (const service of running) service.kill();
    },
  };
}

/**
 * @typedef {{ name: string, url: string, service?: import('./service.mjs').Service }} Endpoint
 */

/**
 * @param {import('./common.mjs').Logger} logger
 * @param {string} name
 * @param {string | undefined} givenUrl
 * @param {(log: (text: string) => void) => Promise<import('./service.mjs').Service & { url: string }>} start
 * @returns {Promise<Endpoint>}
 */
function startOne(logger, name, givenUrl, start) {
  return logger.step(name, async (log) => {
    if (givenUrl) {
      const value = /** @type {Endpoint} */ ({ name, url: givenUrl });
      return { text: `${withoutSecret(givenUrl)} (given)`, value };
    }
    const service = await start(log).catch((error) => {
      if (errorCode(error) !== 'EACCES') throw error;
      throw new UserError(
        `${error.message}\nAn earlier start, as root or another user, left files there. As that user: rm -r .data`,
      );
    });
    return {
      text: `running on 127.0.0.1:${service.port}`,
      value: { name, url: service.url, service },
    };
  });
}

/**
 * @param {string} url
 * @returns {string} host, port and path only
 */
function withoutSecret(url) {
  try {
    const { host, pathname } = new URL(url);
    return `${host}${pathname}`;
  } catch {
    return 'address from the environment';
  }
}

/**
 * @returns {{ dir: string, release: () => void }} the data directory of `npm start`
 * @throws {UserError} when another one is running
 */
export function claimDevelopment() {
  const dir = path.join(DATA_DIR, 'dev');
  const claim = claimDirectory(dir);
  if ('release' in claim) return { dir, release: claim.release };
  throw new UserError(
    `Gatehouse is already running here (process ${claim.owner}). Stop that one first.`,
  );
}

/**
 * @returns {{ dir: string, release: () => void }} a data directory that no other test run uses now;
 *   reused later, because a new database takes longer
 */
export function claimTestSlot() {
  for (let slot = 1; slot <= TEST_SLOTS; slot += 1) {
    const dir = path.join(DATA_DIR, 'test', String(slot));
    const claim = claimDirectory(dir);
    if ('release' in claim) return { dir, release: claim.release };
  }
  throw new UserError(`${TEST_SLOTS} test runs are going on in this repository already.`);
}
