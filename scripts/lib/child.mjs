// Runs the application or the test runner as one child in a process group of its own.
import { spawn } from 'node:child_process';
import { guard, ROOT } from './common.mjs';

/** Time the child gets to end by itself. */
const STOP_TIMEOUT_MS = 10_000;

/**
 * @typedef {object} Child
 * @property {import('node:child_process').ChildProcess} process
 * @property {Promise<number>} exited resolves to its exit code (128 when killed by a signal)
 * @property {() => Promise<void>} stop SIGTERM, after 10 seconds SIGKILL; resolves when it has ended
 * @property {() => void} kill SIGKILL to the whole group
 */

/**
 * Starts a child that gets no signal from the terminal: only `stop` and `kill` end it, or the end of
 * this process. What it may leave in its process group is killed when it ends.
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @param {import('node:child_process').StdioOptions} stdio
 * @returns {Child}
 */
export function startChild(command, args, env, stdio) {
  const child = spawn(command, args, { cwd: ROOT, env, stdio, detached: true });
  const { pid } = child;
  const release = pid ? guard(-pid, 'TERM') : () => {};
  let ended = false;
  const killGroup = () => {
    if (!pid) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // no member is left
    }
  };
  /** @type {Promise<number>} */
  const exited = new Promise((resolve) => {
    child.once('error', (error) => {
      console.error(`${command} could not be started: ${error.message}`);
      resolve(1);
    });
    child.once('exit', (code) => resolve(code ?? 128));
  }).then((code) => {
    ended = true;
    killGroup();
    release();
    return code;
  });
  return {
    process: child,
    exited,
    kill: killGroup,
    async stop() {
      if (!ended) child.kill('SIGTERM');
      const timer = setTimeout(killGroup, STOP_TIMEOUT_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}
