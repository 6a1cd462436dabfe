import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { testEnvironment } from '../helpers/gatehouse.ts';

const PROGRAM = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

export interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
  /** Both streams: where a secret might turn up. */
  all: string;
  /** Standard output as the one JSON document that it must be. */
  json(): Record<string, unknown>;
}

export interface RunOptions {
  stdin?: string;
  /** Settings for this run; undefined takes one away. */
  env?: Record<string, string | undefined>;
}

export interface Cli {
  env: Record<string, string>;
  /** The folder that it runs in: empty, and its own. */
  dir: string;
  /** Runs the real program as a process of its own. */
  run(args: string[], options?: RunOptions): Promise<Result>;
  /** Runs one statement on its database. */
  query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
}

function execute(args: string[], cwd: string, env: NodeJS.ProcessEnv, stdin: string) {
  return new Promise<Result>((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], { cwd, env });
    const chunks = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        chunks[name] += text;
      });
    }
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({
        code,
        ...chunks,
        all: chunks.stdout + chunks.stderr,
        json: () => JSON.parse(chunks.stdout) as Record<string, unknown>,
      });
    });
    // A program that does not read its input closes the pipe.
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
  });
}

/** The command line with a database and Redis prefix of its own; call it at a test file's top. */
export async function createCli(settings: Record<string, string> = {}): Promise<Cli> {
  const env = await testEnvironment(settings);
  const dir = await mkdtemp(path.join(tmpdir(), 'gatehouse-cli-'));
  const pool = new pg.Pool({ connectionString: env.DATABASE_URL, max: 1 });
  // The database is dropped under it after the tests.
  pool.on('error', () => {});
  after(async () => {
    await pool.end();
    await rm(dir, { recursive: true, force: true });
  });
  return {
    env,
    dir,
    run: (args, options = {}) =>
      execute(args, dir, { PATH: process.env.PATH, ...env, ...options.env }, options.stdin ?? ''),
    query: async (sql, values) => (await pool.query(sql, values)).rows,
  };
}

/** How often a text occurs. */
export const count = (text: string, part: string): number => text.split(part).length - 1;

/** Fails when a run shows a stack trace. */
export const hasStack = ({ all }: Result): boolean => /^\s+at .+:\d+:\d+\)?$/m.test(all);
