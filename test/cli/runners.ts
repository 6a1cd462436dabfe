import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Order } from './host.ts';

const PROGRAM = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const HOST = fileURLToPath(new URL('host.ts', import.meta.url));

export interface Output {
  code: number | null;
  stdout: string;
  stderr: string;
}

export type Run = (command: Omit<Order, 'mark'>) => Promise<Output>;

const STREAMS = ['stdout', 'stderr'] as const;

/** Collects what a process writes; `take` empties it. */
function collect(child: ChildProcess) {
  let chunks = { stdout: '', stderr: '' };
  let onChunk = (): void => undefined;
  for (const name of STREAMS) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      chunks[name] += text;
      onChunk();
    });
  }
  return {
    onChunk: (listener: () => void) => {
      onChunk = listener;
    },
    ended: (mark: string) => STREAMS.every((name) => chunks[name].endsWith(mark)),
    take: () => {
      const taken = chunks;
      chunks = { stdout: '', stderr: '' };
      return taken;
    },
  };
}

/** The real program, as a process of its own. */
export const runProgram: Run = ({ args, cwd, env, stdin }) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], { cwd, env });
    const output = collect(child);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...output.take() }));
    // A program that does not read its input closes the pipe.
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
  });

/** A host with the program loaded; a run that ends its process ends the host. */
function startHost() {
  const child = spawn(process.execPath, [HOST], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const output = collect(child);
  const run: Run = (command) =>
    new Promise((resolve) => {
      const mark = `\0${randomUUID()}\n`;
      const ended = (code: number | null) => {
        child.removeAllListeners();
        const { stdout, stderr } = output.take();
        resolve({ code, stdout: stdout.replace(mark, ''), stderr: stderr.replace(mark, '') });
      };
      child.once('close', ended);
      child.once('message', ({ code }: { code: number }) => {
        const look = () => output.ended(mark) && ended(code);
        output.onChunk(look);
        look();
      });
      child.send({ ...command, mark } satisfies Order);
    });
  return { run, isOver: () => !child.connected, stop: () => child.kill('SIGKILL') };
}

/**
 * Runs command lines in processes that are used again: most of what a command
 * takes is loading the program. Those that run at the same time have one each.
 */
export function createHosts(): { run: Run; stop(): void } {
  const idle: ReturnType<typeof startHost>[] = [];
  const all: ReturnType<typeof startHost>[] = [];
  return {
    async run(command) {
      let host = idle.pop();
      if (!host) {
        host = startHost();
        all.push(host);
      }
      const output = await host.run(command);
      if (!host.isOver()) idle.push(host);
      return output;
    },
    stop() {
      for (const host of all) host.stop();
    },
  };
}
