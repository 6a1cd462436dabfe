// `npm start`: everything a development instance of Gatehouse needs, then Gatehouse itself.
//
// Runs on Node.js 20 or later without any package installed; Gatehouse then runs on the Node.js
// that package-lock.json pins. Ctrl-C stops all of it.
import { rmSync } from 'node:fs';
import path from 'node:path';
import { startChild } from './lib/child.mjs';
import {
  createLogger,
  DATA_DIR,
  formatTime,
  isPortFree,
  runMain,
  UserError,
  writePrivateFile,
} from './lib/common.mjs';
import { ensureDependencies } from './lib/dependencies.mjs';
import { environmentFile } from './lib/environment.mjs';
import { claimDevelopment, startServices } from './lib/services.mjs';

/** Wanted ports of PostgreSQL and Redis; others are taken when these are in use. */
const SERVICE_PORTS = { postgres: 54320, redis: 63790 };

await runMain(async ({ onStop, onKill, ending }) => {
  const begin = performance.now();
  const logger = createLogger();
  logger.heading('Gatehouse: development instance');

  const { dir, release } = claimDevelopment();
  onStop(release);
  const port = await requirePort('PORT', 3000);
  const demoPort = await requirePort('DEMO_PORT', 3001);
  if (port === demoPort) throw new UserError('PORT and DEMO_PORT must differ.');

  const { node } = await logger.step('Dependencies', async (note) => {
    const value = await ensureDependencies(note);
    return { text: value.installed ? 'installed' : 'up to date', value };
  });

  const services = await startServices({
    dir,
    durable: true,
    ports: SERVICE_PORTS,
    databaseUrl: process.env.DATABASE_URL,
    redisUrl: process.env.REDIS_URL,
    logger,
  });
  onKill(services.kill);
  onStop(services.stop);
  for (const { name, exited } of services.started) {
    void exited.then((how) => {
      if (ending()) return;
      logger.warn(name, `ended unexpectedly (${how}); to have it again, restart npm start`);
    });
  }

  const { databaseUrl: DATABASE_URL, redisUrl: REDIS_URL } = services;
  const envFile = path.join(DATA_DIR, 'gatehouse.env');
  const { PORT, ISSUER } = process.env;
  writePrivateFile(envFile, environmentFile({ DATABASE_URL, REDIS_URL, PORT, ISSUER }));
  onStop(() => rmSync(envFile, { force: true }));

  const appBegin = performance.now();
  const app = startChild(
    node,
    ['scripts/dev.ts'],
    {
      ...process.env,
      DATABASE_URL,
      REDIS_URL,
      PORT: String(port),
      // A newcomer reads addresses, not requests; errors still show.
      LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn',
      // What V8 made of the sources is kept from start to start.
      NODE_COMPILE_CACHE: path.join(DATA_DIR, 'compile-cache'),
      DEMO_URL: `http://localhost:${demoPort}`,
    },
    ['ignore', 'inherit', 'inherit', 'ipc'],
  );
  onKill(app.kill);
  onStop(async () => {
    const stopBegin = performance.now();
    console.log();
    logger.note('Gatehouse', 'stopping; a second Ctrl-C ends everything at once');
    await app.stop();
    logger.done('Gatehouse', 'stopped', performance.now() - stopBegin);
  });
  app.process.on('message', (message) => {
    const lines = readyLines(message);
    if (!lines) return;
    logger.done('Gatehouse', 'ready', performance.now() - appBegin);
    console.log(`\n${lines.join('\n')}\n`);
    console.log(`Ready in ${formatTime(performance.now() - begin)}. Ctrl-C stops everything.\n`);
  });
  return await app.exited;
}, 0);

/**
 * @param {string} name of an environment variable
 * @param {number} fallback
 * @returns {Promise<number>} the port it asks for
 * @throws {UserError} when it is no port or in use
 */
async function requirePort(name, fallback) {
  const text = process.env[name] || String(fallback);
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new UserError(`${name}=${text} is not a port: a number from 1 to 65535 is needed.`);
  }
  if (await isPortFree(port)) return port;
  throw new UserError(
    `Port ${port} is in use (or needs privileges). Choose another one with ${name}, such as\n` +
      `  ${name}=${port < 60_000 ? port + 100 : 3100} npm start`,
  );
}

/**
 * @param {unknown} message from scripts/dev.ts
 * @returns {string[] | undefined} what it wants shown, when it says that it is ready
 */
function readyLines(message) {
  if (typeof message !== 'object' || message === null) return undefined;
  if (!('type' in message) || message.type !== 'ready') return undefined;
  return 'lines' in message && Array.isArray(message.lines) ? message.lines.map(String) : [];
}
