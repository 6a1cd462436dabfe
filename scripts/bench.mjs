// `npm run bench`: the benchmark, with everything it needs. Options: see bench/main.ts.
//
//   npm run bench -- [--quick] [--only scenario] [--list]
//
// Its PostgreSQL and Redis are durable, as in production, and its own; BENCH_DATABASE_URL and
// BENCH_REDIS_URL name others.
import path from 'node:path';
import { startChild } from './lib/child.mjs';
import { claimDirectory, createLogger, DATA_DIR, runMain, UserError } from './lib/common.mjs';
import { ensureDependencies } from './lib/dependencies.mjs';
import { startServices } from './lib/services.mjs';

await runMain(async ({ onStop, onKill }) => {
  const logger = createLogger();
  logger.heading('Gatehouse: benchmark');
  const { node } = await logger.step('Dependencies', async (note) => {
    const value = await ensureDependencies(note);
    return { text: value.installed ? 'installed' : 'up to date', value };
  });

  const dir = path.join(DATA_DIR, 'bench');
  const claim = claimDirectory(dir);
  if (!('release' in claim)) {
    throw new UserError(`Another benchmark is running here (process ${claim.owner}).`);
  }
  onStop(claim.release);
  const services = await startServices({
    dir,
    durable: true,
    databaseUrl: process.env.BENCH_DATABASE_URL,
    redisUrl: process.env.BENCH_REDIS_URL,
    logger,
  });
  onKill(services.kill);
  onStop(services.stop);

  console.log();
  const { databaseUrl: BENCH_DATABASE_URL, redisUrl: BENCH_REDIS_URL } = services;
  const bench = startChild(
    node,
    ['bench/main.ts', ...process.argv.slice(2)],
    { ...process.env, BENCH_DATABASE_URL, BENCH_REDIS_URL },
    ['ignore', 'inherit', 'inherit'],
  );
  onKill(bench.kill);
  onStop(bench.stop);
  return await bench.exited;
}, 130);
