// What `npm test` and `scripts/services.mjs` both need: packages, services, browser, brokers,
// template.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { findBrokers } from './brokers.mjs';
import { findChromium } from './chromium.mjs';
import { ROOT, run } from './common.mjs';
import { ensureDependencies } from './dependencies.mjs';
import { findLighthouse } from './lighthouse.mjs';
import { claimTestSlot, startServices } from './services.mjs';

const PREPARE = 'test/helpers/prepare.ts';

/**
 * Installs the packages and starts PostgreSQL and Redis, unless TEST_DATABASE_URL and TEST_REDIS_URL
 * name running ones. They are stopped when the script ends.
 * @param {import('./common.mjs').Lifetime} lifetime
 * @param {import('./common.mjs').Logger} logger
 * @param {{ needsLighthouse?: boolean }} [options]
 * @returns {Promise<{ node: string, variables: NodeJS.ProcessEnv }>} path of the pinned Node.js
 *   and the variables that the tests read
 */
export async function startTestEnvironment(
  { onStop, onKill, ending },
  logger,
  { needsLighthouse = false } = {},
) {
  const { node } = await logger.step('Dependencies', async (note) => {
    const value = await ensureDependencies(note);
    return { text: value.installed ? 'installed' : 'up to date', value };
  });

  const { dir, release } = claimTestSlot();
  onStop(release);
  const starting = startServices({
    dir,
    durable: false,
    databaseUrl: process.env.TEST_DATABASE_URL,
    redisUrl: process.env.TEST_REDIS_URL,
    logger,
  });
  const finding = logger.step('Chromium', async (note) => {
    const value = await findChromium(note);
    return { text: value.path ?? `none, its tests are skipped: ${value.reason}`, value };
  });
  const findingBrokers = logger.step('Brokers', async (note) => {
    const value = await findBrokers(note);
    const words = Object.values(value).map((one) =>
      one.path === null ? `none, its tests are skipped: ${one.reason}` : one.path,
    );
    return { text: words.join('; '), value };
  });
  const findingLighthouse = needsLighthouse
    ? logger.step('Lighthouse', async (note) => {
        const value = await findLighthouse(note);
        return { text: value.path ?? `none, its tests are skipped: ${value.reason}`, value };
      })
    : undefined;
  const [services, chromium, brokers, lighthouse] = await Promise.all([
    starting,
    finding,
    findingBrokers,
    findingLighthouse,
  ]);
  onKill(services.kill);
  onStop(services.stop);
  for (const { name, exited } of services.started) {
    void exited.then((how) => {
      if (!ending()) logger.warn(name, `ended unexpectedly (${how})`);
    });
  }

  return {
    node,
    variables: {
      TEST_DATABASE_URL: services.databaseUrl,
      TEST_REDIS_URL: services.redisUrl,
      CHROMIUM_PATH: chromium.path ?? undefined,
      CHROMIUM_SKIP_REASON: chromium.path === null ? chromium.reason : undefined,
      LIGHTHOUSE_PATH: lighthouse?.path ?? undefined,
      LIGHTHOUSE_SKIP_REASON: lighthouse?.path === null ? lighthouse.reason : undefined,
      NATS_SERVER_PATH: brokers.nats.path ?? undefined,
      NATS_SKIP_REASON: brokers.nats.path === null ? brokers.nats.reason : undefined,
      RABBITMQ_SERVER_PATH: brokers.rabbitmq.path ?? undefined,
      RABBITMQ_SKIP_REASON: brokers.rabbitmq.path === null ? brokers.rabbitmq.reason : undefined,
    },
  };
}

/**
 * Makes the migrated database that test files clone, if the repository has a script for that.
 * @param {string} node
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<boolean>} whether it worked
 */
export async function prepareTemplate(node, env) {
  if (!existsSync(path.join(ROOT, PREPARE))) return true;
  return (await run(node, [PREPARE], { env, inherit: true })).code === 0;
}
