// Shared pieces of the set-up scripts. Only `node:` built-ins: this file runs before the first
// `npm ci`, on Node.js 20 or later.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  constants,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Absolute path of the repository. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** Where the development and test instances keep their data; ignored by git. */
export const DATA_DIR = path.join(ROOT, '.data');

/** An error whose message tells the developer what to do; printed without a stack. */
export class UserError extends Error {}

/** @param {number} ms milliseconds */
export const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @returns {boolean} whether this process runs as root */
export const isRoot = () => process.getuid?.() === 0;

/**
 * @param {unknown} error
 * @returns {string | undefined} the system's error code, such as ENOENT
 */
export const errorCode = (error) =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined;

// ---------------------------------------------------------------------------------- output

/**
 * @param {number} ms milliseconds
 * @returns {string} such as `0.4 s` or `1 min 05 s`
 */
export function formatTime(ms) {
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

const NAME_WIDTH = 14;
const TEXT_WIDTH = 60;

/**
 * Prints one aligned line per step: name, what was done, time. Colour only on a terminal.
 * @typedef {ReturnType<typeof createLogger>} Logger
 */
export function createLogger() {
  const colour = Boolean(process.stdout.isTTY) && !process.env.NO_COLOR;
  /** @param {number} code @param {string} text */
  const paint = (code, text) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  /** @param {string} name @param {string} text @param {string} [time] @param {number} [code] */
  const line = (name, text, time = '', code = 0) => {
    const row = time ? `${text.padEnd(TEXT_WIDTH)} ${paint(2, time.padStart(10))}` : text;
    const indented = row.replaceAll('\n', `\n${' '.repeat(NAME_WIDTH + 3)}`);
    console.log(`  ${paint(code, name.padEnd(NAME_WIDTH))} ${indented}`);
  };
  return {
    /** @param {string} text */
    heading: (text) => console.log(`\n${paint(1, text)}\n`),
    /** An interim line of a step that takes long. @param {string} name @param {string} text */
    note: (name, text) => line(name, paint(2, text)),
    /** @param {string} name @param {string} text */
    warn: (name, text) => line(name, text, '', 33),
    /** @param {string} name @param {string} text @param {number} ms */
    done: (name, text, ms) => line(name, text, formatTime(ms), 32),
    /** @param {string} name @param {string} text @param {number} ms */
    failed: (name, text, ms) => line(name, text, formatTime(ms), 31),

    /**
     * Runs a step and prints its line with the time it took.
     * @template T
     * @param {string} name
     * @param {(note: (text: string) => void) => Promise<{ text: string, value: T }>} work
     * @returns {Promise<T>}
     */
    async step(name, work) {
      const start = performance.now();
      try {
        const { text, value } = await work((text) => this.note(name, text));
        this.done(name, text, performance.now() - start);
        return value;
      } catch (error) {
        this.failed(name, 'failed', performance.now() - start);
        throw error;
      }
    },
  };
}

// ------------------------------------------------------------------------------- processes

/** Children of `run` that are still running; ended with this process. */
const running = /** @type {Set<import('node:child_process').ChildProcess>} */ (new Set());
process.on('exit', () => {
  for (const child of running) child.kill('SIGTERM');
});

/**
 * Runs a command to its end.
 * @param {string} command
 * @param {string[]} args
 * @param {object} [options]
 * @param {string} [options.cwd] default: the repository
 * @param {NodeJS.ProcessEnv} [options.env] default: this process's
 * @param {boolean} [options.inherit] show its output; otherwise it is collected
 * @param {Account} [options.account] run as this user (only root may)
 * @returns {Promise<{ code: number, output: string }>} exit code (128 when killed by a signal) and
 *   its collected stdout and stderr
 * @throws when the command cannot be started
 */
export function run(command, args, { cwd = ROOT, env = process.env, inherit, account } = {}) {
  return new Promise((resolve, reject) => {
    const output = inherit ? 'inherit' : 'pipe';
    const child = spawn(command, args, {
      ...account,
      cwd,
      env,
      stdio: ['ignore', output, output],
    });
    running.add(child);
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    child.stderr?.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    child.once('error', (error) => {
      running.delete(child);
      reject(error);
    });
    child.once('close', (code) => {
      running.delete(child);
      resolve({ code: code ?? 128, output: text });
    });
  });
}

/**
 * A user to run a command as.
 * @typedef {{ uid: number, gid: number }} Account
 */

/**
 * @param {string} name of a program
 * @param {string} [searchPath] default: PATH
 * @returns {string | undefined} its full path
 */
export function findProgram(name, searchPath = process.env.PATH ?? '') {
  for (const dir of searchPath.split(path.delimiter).filter(Boolean)) {
    const file = path.join(dir, name);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // not in this directory
    }
  }
  return undefined;
}

/**
 * Tells one process from a later one with the same number.
 * @param {number} pid
 * @returns {string | undefined} the process's start time in the system's own unit; undefined when it
 *   has ended (a zombie has)
 */
export function processStart(pid) {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
    } catch {
      return undefined;
    }
  }
  const { stdout } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout?.trim() || undefined;
}

/**
 * Whether a process is alive and has `dir` as its working directory. PostgreSQL and Redis both
 * work inside their data directory, so this tells our server from a stranger with a reused pid.
 * @param {number} pid
 * @param {string} dir
 */
export function worksIn(pid, dir) {
  if (processStart(pid) === undefined) return false;
  try {
    const real = realpathSync(dir);
    if (process.platform === 'linux') return readlinkSync(`/proc/${pid}/cwd`) === real;
    const lsof = ['-a', '-p', String(pid), '-d', 'cwd', '-Fn'];
    const { stdout } = spawnSync('lsof', lsof, { encoding: 'utf8' });
    return (stdout ?? '').split('\n').includes(`n${real}`);
  } catch {
    return false;
  }
}

/**
 * Starts a tiny shell that signals `target` when this process ends in any way, even by kill -9: it
 * waits on a pipe whose other end only this process holds.
 * @param {number} target pid, or negative for a process group
 * @param {'INT' | 'TERM'} signal
 * @returns {() => void} ends the guard without a signal; call it once the target has ended
 */
export function guard(target, signal) {
  const script = 'read -r _ || kill -s "$1" -- "$2"';
  const shell = spawn('sh', ['-c', script, 'gatehouse-guard', signal, String(target)], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.on('error', () => {});
  shell.stdin.on('error', () => {});
  shell.unref();
  return () => shell.stdin.end('done\n');
}

// ----------------------------------------------------------------------------------- ports

/**
 * @param {number} port 0 for any
 * @param {string} host address to bind
 * @returns {Promise<number | undefined>} the port when it could be bound, undefined when it is taken
 */
function tryBind(port, host) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      const code = errorCode(error);
      if (code === 'EADDRINUSE' || code === 'EACCES') resolve(undefined);
      else if (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL') resolve(port);
      else reject(error);
    });
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      const bound = address && typeof address === 'object' ? address.port : port;
      server.close(() => resolve(bound));
    });
  });
}

/**
 * @param {number} port
 * @returns {Promise<boolean>} whether nothing listens on it, neither on 127.0.0.1 nor on all addresses
 */
export async function isPortFree(port) {
  return (
    (await tryBind(port, '127.0.0.1')) !== undefined && (await tryBind(port, '::')) !== undefined
  );
}

/** @returns {Promise<number>} a port on 127.0.0.1 that nothing uses now */
export async function freePort() {
  const port = await tryBind(0, '127.0.0.1');
  if (port === undefined) throw new Error('no free port on 127.0.0.1');
  return port;
}

// ----------------------------------------------------------------------------------- files

/**
 * @param {string} file
 * @returns {string | undefined} its text; undefined when there is no such file
 */
export function readIfExists(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Replaces a file in one step; only its owner can read it (mode 0600).
 * @param {string} file
 * @param {string} text
 */
export function writePrivateFile(file, text) {
  mkdirSync(path.dirname(file), { recursive: true });
  const next = `${file}.${process.pid}.new`;
  rmSync(next, { force: true });
  writeFileSync(next, text, { mode: 0o600, flag: 'wx' });
  renameSync(next, file);
}

/**
 * @param {string} file
 * @returns {string} the password kept in `file` (mode 0600); made on first use, 192 random bits
 */
export function keepPassword(file) {
  const kept = readIfExists(file)?.trim();
  if (kept) return kept;
  const password = randomBytes(24).toString('hex');
  writePrivateFile(file, `${password}\n`);
  return password;
}

/**
 * Makes this process the owner of `dir` until the returned function is called or the process ends.
 * @param {string} dir created when missing
 * @returns {{ release: () => void } | { owner: number }} `owner` is the pid of the live process that
 *   holds it already
 */
export function claimDirectory(dir) {
  mkdirSync(dir, { recursive: true });
  const file = path.join(dir, 'owner');
  const [pid, start] = (readIfExists(file) ?? '').trim().split('\n');
  if (pid && processStart(Number(pid)) === start) return { owner: Number(pid) };
  writePrivateFile(file, `${process.pid}\n${processStart(process.pid)}\n`);
  return { release: () => rmSync(file, { force: true }) };
}

// -------------------------------------------------------------------------------- lifetime

/** A signal that arrives this soon after the first is the same key press: npm passes it on again. */
const SAME_INTERRUPT_MS = 500;

/**
 * What `runMain` gives its work.
 * @typedef {object} Lifetime
 * @property {(stop: () => Promise<void> | void) => void} onStop registers what to do at the end; run
 *   in reverse order
 * @property {(kill: () => void) => void} onKill registers what to do at a second signal
 * @property {() => boolean} ending whether the end has begun
 */

/**
 * Runs a script. However it ends (result, error, SIGINT, SIGTERM, SIGHUP), what it registered is
 * stopped first; a second signal stops it at once. Never returns: it ends the process.
 * @param {(lifetime: Lifetime) => Promise<number>} work resolves to the exit code
 * @param {number} signalExitCode exit code after a first signal; a second one gives 130
 */
export async function runMain(work, signalExitCode) {
  const stops = /** @type {(() => Promise<void> | void)[]} */ ([]);
  const kills = /** @type {(() => void)[]} */ ([]);
  let ending = false;

  /** @param {number} code */
  const end = async (code) => {
    if (ending) return;
    ending = true;
    for (const stop of stops.reverse()) {
      try {
        await stop();
      } catch (error) {
        report(error);
      }
    }
    process.exit(code);
  };

  let firstSignal = 0;
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => {
      if (firstSignal === 0) {
        firstSignal = performance.now();
        void end(signalExitCode);
      } else if (performance.now() - firstSignal > SAME_INTERRUPT_MS) {
        for (const kill of kills) kill();
        process.exit(130);
      }
    });
  }
  // A closed terminal or pipe must not keep the services from being stopped.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  process.on('uncaughtException', (error) => {
    report(error);
    void end(1);
  });

  try {
    await end(
      await work({
        onStop: (stop) => stops.push(stop),
        onKill: (kill) => kills.push(kill),
        ending: () => ending,
      }),
    );
  } catch (error) {
    if (!ending) report(error);
    await end(1);
  }
}

/** @param {unknown} error */
function report(error) {
  console.error(error instanceof UserError ? `\n${error.message}\n` : error);
}
