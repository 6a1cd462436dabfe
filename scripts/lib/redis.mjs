// An own Redis (or Valkey) instance for development and tests.
import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { aptInstall, canInstallWithApt } from './apt.mjs';
import { findProgram, keepPassword, UserError, writePrivateFile } from './common.mjs';
import { startService, stopLeftover } from './service.mjs';

const PROGRAMS = ['redis-server', 'valkey-server'];

/**
 * Starts Redis on 127.0.0.1 with a password of its own.
 * @param {object} options
 * @param {string} options.dataDir kept from start to start; must belong to no other live start
 * @param {number} [options.port] wanted on the first start; a free one when it is taken
 * @param {boolean} options.durable true: append-only file, synced every second; false: nothing on disk
 * @param {(text: string) => void} options.log told about steps that take long
 * @returns {Promise<import('./service.mjs').Service & { url: string }>}
 * @throws {UserError} when there is no Redis and none can be installed, or it does not start
 */
export async function startRedis({ dataDir, port, durable, log }) {
  const command = await findRedis({ canInstall: canInstallWithApt(), log });
  const cwd = path.join(dataDir, 'data');
  mkdirSync(cwd, { recursive: true, mode: 0o700 });
  const password = keepPassword(path.join(dataDir, 'password'));
  const pidFile = path.join(dataDir, 'redis.pid');
  if (await stopLeftover(pidFile, cwd, 'SIGTERM')) log('stopped the one left by a killed start');

  const service = await startService({
    name: 'Redis',
    stateDir: dataDir,
    command,
    args: (port) => {
      const file = path.join(dataDir, 'redis.conf');
      writePrivateFile(file, configuration({ port, password, cwd, pidFile, durable }));
      return [file];
    },
    cwd,
    env: process.env,
    account: undefined,
    port,
    stopSignal: 'TERM',
    killSignal: 'SIGKILL',
    ready: (port) => answersPing(port, password),
  });
  return { ...service, url: `redis://:${password}@127.0.0.1:${service.port}/0` };
}

/**
 * @param {object} options
 * @param {string} [options.searchPath] default: PATH
 * @param {boolean} options.canInstall whether apt-get may be used
 * @param {(text: string) => void} options.log
 * @returns {Promise<string>} the server's path
 * @throws {UserError} naming the three ways to get one
 */
export async function findRedis({ searchPath, canInstall, log }) {
  const find = () => PROGRAMS.map((name) => findProgram(name, searchPath)).find(Boolean);
  const found = find();
  if (found) return found;
  let failure = '';
  if (canInstall) {
    log('not installed: installing the Debian package redis-server with apt-get');
    const { code, output } = await aptInstall(['redis-server']);
    const installed = find();
    if (code === 0 && installed) return installed;
    failure = `\n\napt-get said:\n${output.trim().split('\n').slice(-5).join('\n')}`;
  }
  throw new UserError(
    `Gatehouse needs Redis, and neither ${PROGRAMS.join(' nor ')} is on the PATH. Either
  1. install it:         sudo apt-get install redis-server   (macOS: brew install redis)
  2. use a running one:  REDIS_URL=redis://127.0.0.1:6379/0 npm start   (tests: TEST_REDIS_URL)
  3. use containers:     docker compose up${failure}`,
  );
}

/**
 * @param {{ port: number, password: string, cwd: string, pidFile: string, durable: boolean }} options
 * @returns {string} the text of redis.conf; the password is there because `ps` shows arguments
 */
function configuration({ port, password, cwd, pidFile, durable }) {
  return [
    'bind 127.0.0.1',
    `port ${port}`,
    `requirepass ${password}`,
    `dir ${JSON.stringify(cwd)}`,
    `pidfile ${JSON.stringify(pidFile)}`,
    'daemonize no',
    'logfile ""',
    'save ""',
    `appendonly ${durable ? 'yes' : 'no'}`,
    'appendfsync everysec',
    'maxmemory-policy noeviction',
    '',
  ].join('\n');
}

/**
 * @param {number} port
 * @param {string} password
 * @returns {Promise<boolean>} whether it answers PING, that is, has loaded its data
 */
function answersPing(port, password) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    /** @param {boolean} ready */
    const finish = (ready) => {
      socket.destroy();
      resolve(ready);
    };
    let reply = '';
    socket.setTimeout(1000, () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('close', () => finish(false));
    socket.once('connect', () => socket.write(`AUTH ${password}\r\nPING\r\n`));
    socket.setEncoding('utf8').on('data', (chunk) => {
      reply += chunk;
      if (reply.split('\r\n').length > 2) finish(reply.includes('+PONG'));
    });
  });
}
