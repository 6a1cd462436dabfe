// PostgreSQL and Redis for tests, kept running until Ctrl-C: with the printed variables set, a
// single test file takes a second.
import path from 'node:path';
import { createLogger, ROOT, runMain, UserError } from './lib/common.mjs';
import { environmentFile } from './lib/environment.mjs';
import { prepareTemplate, startTestEnvironment } from './lib/test-environment.mjs';

await runMain(async (lifetime) => {
  const logger = createLogger();
  logger.heading('Gatehouse: services for tests');
  const { node, variables } = await startTestEnvironment(lifetime, logger);
  await logger.step('Template', async () => {
    const env = { ...process.env, ...variables, NODE_ENV: 'test' };
    if (await prepareTemplate(node, env)) return { text: 'migrated', value: undefined };
    throw new UserError('The template database could not be made; see above.');
  });

  const assignments = environmentFile(variables).trim().split('\n');
  console.log('\nIn another terminal:\n');
  console.log(`export NODE_ENV=test ${assignments.join(' ')}`);
  console.log(`${path.relative(ROOT, node)} --test test/path/to/one.test.ts\n`);
  console.log('Ctrl-C stops the services.\n');
  return new Promise(() => {});
}, 0);
