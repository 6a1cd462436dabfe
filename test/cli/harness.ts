import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import pg from 'pg';
import { testEnvironment } from '../helpers/gatehouse.ts';
import { createHosts, runProgram } from './runners.ts';

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
  /** Runs a command line, in a process with nothing else in it at the time. */
  run(args: string[], options?: RunOptions): Promise<Result>;
  /** Runs one statement on its database. */
  query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
}

/**
 * The command line with a database and Redis prefix of its own; call it at a test file's top.
 * @param options `isProgram` starts `src/cli.ts` for each run, instead of loading it once
 */
export async function createCli(
  settings: Record<string, string> = {},
  { isProgram = false }: { isProgram?: boolean } = {},
): Promise<Cli> {
  const env = await testEnvironment(settings);
  const dir = await mkdtemp(path.join(tmpdir(), 'gatehouse-cli-'));
  const pool = new pg.Pool({ connectionString: env.DATABASE_URL, max: 1 });
  // The database is dropped under it after the tests.
  pool.on('error', () => {});
  const hosts = createHosts();
  const execute = isProgram ? runProgram : hosts.run;
  after(async () => {
    hosts.stop();
    await pool.end();
    await rm(dir, { recursive: true, force: true });
  });
  return {
    env,
    dir,
    async run(args, options = {}) {
      const output = await execute({
        args,
        cwd: dir,
        env: { PATH: process.env.PATH, ...env, ...options.env },
        stdin: options.stdin ?? '',
      });
      return {
        ...output,
        all: output.stdout + output.stderr,
        json: () => JSON.parse(output.stdout) as Record<string, unknown>,
      };
    },
    query: async (sql, values) => (await pool.query(sql, values)).rows,
  };
}

/** How often a text occurs. */
export const count = (text: string, part: string): number => text.split(part).length - 1;

/** Fails when a run shows a stack trace. */
export const hasStack = ({ all }: Result): boolean => /^\s+at .+:\d+:\d+\)?$/m.test(all);
