// `npm test`: type check, lint and all tests, with everything they need.
//
//   npm test -- [--only-tests] [--slow] [file or flag of node --test ...]
//
//   --only-tests   no type check and no lint
//   --slow         the tests in test/slow, which are left out otherwise
//
// A flag with a value needs the form --flag=value. Every phase runs even if an earlier one failed.
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';
import { startChild } from './lib/child.mjs';
import { createLogger, ROOT, run, runMain } from './lib/common.mjs';
import { prepareTemplate, startTestEnvironment } from './lib/test-environment.mjs';

const TSC = 'node_modules/typescript/bin/tsc';
const BIOME = 'node_modules/@biomejs/biome/bin/biome';
/** Test files wait for databases and browsers much of the time. */
const CONCURRENCY = availableParallelism() + 1;
/** What the command line uses as well: hundreds of processes load the same sources. */
const COMPILE_CACHE = path.join(ROOT, '.data', 'compile-cache');
/** First line of the summary that the runner closes with. */
const SUMMARY = /^(ℹ|#) tests \d+$/;

const args = process.argv.slice(2);
const slow = args.includes('--slow');
const onlyTests = args.includes('--only-tests');
const runnerArgs = args.filter((arg) => arg !== '--slow' && arg !== '--only-tests');
const flags = runnerArgs.filter((arg) => arg.startsWith('-'));
const patterns = runnerArgs.filter((arg) => !arg.startsWith('-'));

await runMain(async (lifetime) => {
  const logger = createLogger();
  logger.heading(slow ? 'Gatehouse: slow tests' : 'Gatehouse: tests');
  const { node, variables } = await startTestEnvironment(lifetime, logger, {
    needsLighthouse: slow,
  });
  const env = {
    ...process.env,
    ...variables,
    NODE_ENV: 'test',
    NODE_COMPILE_CACHE: COMPILE_CACHE,
  };
  const failed = /** @type {string[]} */ ([]);

  /**
   * @param {string} name
   * @param {() => Promise<boolean>} work resolves to whether it passed
   */
  const phase = async (name, work) => {
    const begin = performance.now();
    const passed = await work();
    if (lifetime.ending()) return false;
    logger[passed ? 'done' : 'failed'](
      name,
      passed ? 'passed' : 'FAILED, see above',
      performance.now() - begin,
    );
    if (!passed) failed.push(name);
    return passed;
  };
  /** @param {string[]} command */
  const passes = async (command) => (await run(node, command, { env, inherit: true })).code === 0;

  if (!onlyTests) {
    await phase('Type check', () => passes([TSC, '--noEmit']));
    await phase('Lint', () => passes([BIOME, process.env.CI ? 'ci' : 'check', '.']));
  }
  const files = patterns.length > 0 ? patterns : findTests();
  if (files.length === 0) {
    console.error(`There is no test file in test${slow ? '/slow' : ''}.`);
    return 1;
  }
  if (!(await phase('Template', () => prepareTemplate(node, env)))) return 1;

  const begin = performance.now();
  const command = ['--test', `--test-concurrency=${CONCURRENCY}`, '--test-reporter=spec'];
  const tests = startChild(node, [...command, ...flags, ...files], env, [
    'ignore',
    'pipe',
    'inherit',
  ]);
  lifetime.onKill(tests.kill);
  lifetime.onStop(tests.stop);
  const summary = await showOutput(tests.process.stdout);
  const code = await tests.exited;
  const text = `${code === 0 ? 'passed' : 'FAILED'} (files: ${files.length})`;
  logger[code === 0 ? 'done' : 'failed']('Tests', text, performance.now() - begin);
  if (failed.length > 0) console.log(`\n  FAILED as well: ${failed.join(', ')}`);
  for (const line of summary) console.log(line);
  return code || failed.length;
}, 130);

/** @returns {string[]} the test files, relative to the repository, in order */
function findTests() {
  const inSlow = path.join('test', 'slow') + path.sep;
  return readdirSync(path.join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .map((file) => path.join('test', file))
    .filter((file) => file.endsWith('.test.ts') && file.startsWith(inSlow) === slow)
    .sort();
}

/**
 * Shows the runner's output as it comes, but keeps back its summary, to be shown last.
 * @param {NodeJS.ReadableStream | null} output
 * @returns {Promise<string[]>} lines of the summary
 */
async function showOutput(output) {
  const summary = /** @type {string[]} */ ([]);
  if (!output) return summary;
  for await (const line of createInterface({ input: output })) {
    if (summary.length > 0 || SUMMARY.test(stripVTControlCharacters(line))) summary.push(line);
    else console.log(line);
  }
  return summary;
}
