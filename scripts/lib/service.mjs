// Starts and stops one server process that listens on a port of 127.0.0.1.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, renameSync } from 'node:fs';
import path from 'node:path';
import {
  delay,
  errorCode,
  freePort,
  guard,
  isPortFree,
  readIfExists,
  UserError,
  worksIn,
  writePrivateFile,
} from './common.mjs';

/** Time a server gets to become ready; crash recovery of a large database is the slow case. */
const READY_TIMEOUT_MS = 120_000;
/** Time a server gets to stop before it is killed. */
const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 15;
const MAX_ATTEMPTS = 8;
/** Failures that pass: another process took the port, or parts of a killed instance still end. */
const TRANSIENT = /in use|could not bind|could not create any TCP|Could not create server TCP/i;

/**
 * @typedef {object} ServiceSpec
 * @property {string} name for messages
 * @property {string} stateDir keeps the port and the log file (`server.log`, `server.previous.log`)
 * @property {string} command
 * @property {(port: number) => string[]} args
 * @property {string} cwd the server's data directory, which it has as working directory
 * @property {NodeJS.ProcessEnv} env
 * @property {import('./common.mjs').Account | undefined} account run as this user
 * @property {number | undefined} port wanted on the first start; later starts keep the last one
 * @property {'INT' | 'TERM'} stopSignal asks for an orderly stop
 * @property {'SIGQUIT' | 'SIGKILL'} killSignal stops at once
 * @property {(port: number, pid: number) => boolean | Promise<boolean>} ready
 */

/**
 * @typedef {object} Service
 * @property {number} port
 * @property {number} pid
 * @property {Promise<string>} exited resolves to how the process ended, such as `signal SIGKILL`
 * @property {() => Promise<void>} stop orderly; resolves when the process has ended
 * @property {() => void} kill at once, without waiting
 */

/**
 * Starts the server and waits until it is ready.
 * @param {ServiceSpec} spec
 * @returns {Promise<Service>}
 * @throws {UserError} when it does not start, with the end of its log
 */
export async function startService(spec) {
  mkdirSync(spec.stateDir, { recursive: true });
  const logFile = path.join(spec.stateDir, 'server.log');
  const portFile = path.join(spec.stateDir, 'port');
  keepPreviousLog(logFile);

  for (let attempt = 1; ; attempt += 1) {
    const port = await choosePort(portFile, spec.port);
    const logged = readIfExists(logFile)?.length ?? 0;
    const service = launch(spec, port, logFile);
    const failure = await waitUntilReady(spec, service);
    if (failure === undefined) {
      writePrivateFile(portFile, `${port}\n`);
      return service;
    }
    await service.stop();
    const log = (readIfExists(logFile) ?? '').slice(logged).trim();
    if (attempt === MAX_ATTEMPTS || !TRANSIENT.test(log)) {
      const tail = log.split('\n').slice(-15).join('\n');
      throw new UserError(
        `${spec.name} did not start: ${failure}.\n${tail}\nIts full log: ${logFile}`,
      );
    }
    await delay(250);
  }
}

/**
 * Stops a server that a killed start left behind.
 * @param {string} pidFile its first line is the pid
 * @param {string} dataDir
 * @param {'SIGINT' | 'SIGTERM'} signal
 * @returns {Promise<boolean>} whether there was one
 * @throws {UserError} when it does not end
 */
export async function stopLeftover(pidFile, dataDir, signal) {
  const pid = Number((readIfExists(pidFile) ?? '').split('\n')[0]);
  if (!pid || !worksIn(pid, dataDir)) return false;
  process.kill(pid, signal);
  const deadline = performance.now() + STOP_TIMEOUT_MS;
  while (worksIn(pid, dataDir)) {
    if (performance.now() > deadline) {
      throw new UserError(`Process ${pid} still uses ${dataDir} and does not end; please end it.`);
    }
    await delay(POLL_MS);
  }
  return true;
}

/** @param {string} logFile */
function keepPreviousLog(logFile) {
  try {
    renameSync(logFile, logFile.replace(/\.log$/, '.previous.log'));
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

/**
 * @param {string} portFile remembers the last port
 * @param {number | undefined} wanted
 * @returns {Promise<number>} the remembered port, else the wanted one, else any; always a free one
 */
async function choosePort(portFile, wanted) {
  for (const port of [Number(readIfExists(portFile)), wanted]) {
    if (port && (await isPortFree(port))) return port;
  }
  return freePort();
}

/**
 * @param {ServiceSpec} spec
 * @param {number} port
 * @param {string} logFile
 * @returns {Service}
 */
function launch(spec, port, logFile) {
  const log = openSync(logFile, 'a', 0o600);
  // In a session of its own: Ctrl-C must not reach it before the application has ended.
  const child = spawn(spec.command, spec.args(port), {
    ...spec.account,
    cwd: spec.cwd,
    env: spec.env,
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);

  let ended = false;
  /** @type {Promise<string>} */
  const exited = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ? `signal ${signal}` : `code ${code}`));
  });
  const pid = child.pid ?? 0;
  const release = pid ? guard(pid, spec.stopSignal) : () => {};
  void exited.then(() => {
    ended = true;
    release();
  });

  /** @param {NodeJS.Signals} signal */
  const send = (signal) => {
    if (!ended) child.kill(signal);
  };
  return {
    port,
    pid,
    exited,
    kill: () => send(spec.killSignal),
    async stop() {
      send(`SIG${spec.stopSignal}`);
      const timer = setTimeout(() => send(spec.killSignal), STOP_TIMEOUT_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}

/**
 * @param {ServiceSpec} spec
 * @param {Service} service
 * @returns {Promise<string | undefined>} why it did not become ready; undefined when it did
 */
async function waitUntilReady(spec, service) {
  let ended = /** @type {string | undefined} */ (undefined);
  void service.exited.then((how) => {
    ended = how;
  });
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (performance.now() < deadline) {
    if (ended !== undefined) return `it ended with ${ended}`;
    if (await spec.ready(service.port, service.pid)) return undefined;
    await delay(POLL_MS);
  }
  return `not ready after ${READY_TIMEOUT_MS / 1000} s`;
}
