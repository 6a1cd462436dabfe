import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { guard } from '../../scripts/lib/common.mjs';

const MAIN = new URL('../../src/main.ts', import.meta.url);

/** Milliseconds that a process has to become ready; a loaded machine is slow. */
const PATIENCE = 60_000;

export interface ServerProcess {
  /** Where it listens. */
  url: string;
  pid: number;
  /** Lines on standard output, parsed where they are JSON. */
  logs: Record<string, unknown>[];
  /** Everything on standard error. */
  errors(): string;
  /** How it ended: its exit code, or the signal that killed it. */
  exited: Promise<number | NodeJS.Signals>;
  kill(signal: NodeJS.Signals): void;
}

const parseLine = (line: string): Record<string, unknown> => {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return { msg: line };
  }
};

/** Asks until the answer is 200. @throws when the process ends first or takes too long */
async function waitUntilReady(url: string, hasEnded: () => string | undefined): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const ended = hasEnded();
    if (ended !== undefined) throw new Error(`the server ended before it was ready: ${ended}`);
    const response = await fetch(`${url}/health/ready`).catch(() => undefined);
    if (response?.status === 200) return;
    if (performance.now() > deadline) throw new Error(`not ready after ${PATIENCE} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * Runs the service as a process of its own, by `node src/main.ts`, and waits
 * until it is ready. Whoever starts it kills it; should this process end first,
 * it is told to end as well.
 * @param env its whole environment beside PATH; names PORT
 * @param program another program than the service's own
 */
export async function startProcess(
  env: Record<string, string>,
  program = MAIN,
): Promise<ServerProcess> {
  const child: ChildProcess = spawn(process.execPath, [fileURLToPath(program)], {
    // Elsewhere, so that the settings of a running `npm start` are not taken up.
    cwd: tmpdir(),
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const logs: Record<string, unknown>[] = [];
  let errors = '';
  let ended: string | undefined;
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => logs.push(parseLine(line)));
  }
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk;
  });
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('exit', (code, signal) => {
      ended = `${String(signal ?? code)}\n${errors}`;
      resolve(signal ?? code ?? 0);
    });
  });
  const kill = (signal: NodeJS.Signals): void => {
    if (ended === undefined) child.kill(signal);
  };
  const release = guard(child.pid ?? 0, 'TERM');
  void exited.then(release);
  const url = `http://localhost:${env.PORT}`;
  await waitUntilReady(url, () => ended);
  return { url, pid: child.pid ?? 0, logs, errors: () => errors, exited, kill };
}
