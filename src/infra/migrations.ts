import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Knex } from 'knex';
import { createPostgres } from './postgres.ts';

const FOLDER = fileURLToPath(new URL('../../migrations/', import.meta.url));

/** Any number, the same for every process: names the advisory lock that migrations hold. */
const LOCK = 4_283_647;

type Migration = { up(knex: Knex): Promise<void> };

async function migrationNames(): Promise<string[]> {
  return (await readdir(FOLDER)).filter((name) => /^\d{4}_.+\.ts$/.test(name)).sort();
}

/**
 * Applies what is missing, oldest first, all in one transaction: either the schema is new or it is untouched.
 * Processes that start together wait for one another on an advisory lock.
 * @returns the names of the migrations that were applied now
 */
export async function migrate(knex: Knex): Promise<string[]> {
  if ((await pendingMigrations(knex)).length === 0) return [];
  const applied: string[] = [];
  await knex.transaction(async (lock) => {
    await lock.raw('SELECT pg_advisory_xact_lock(?)', [LOCK]);
    await lock.raw(
      'CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())',
    );
    for (const name of await pendingMigrations(lock)) {
      const { up } = (await import(pathToFileURL(join(FOLDER, name)).href)) as Migration;
      await up(lock);
      await lock('schema_migrations').insert({ name });
      applied.push(name);
    }
  });
  return applied;
}

/** Names of the migrations in this build that the database does not have yet. */
export async function pendingMigrations(knex: Knex): Promise<string[]> {
  const names = await migrationNames();
  const { rows } = await knex.raw("SELECT to_regclass('schema_migrations') AS present");
  if (!rows[0].present) return names;
  const done = new Set<string>(await knex('schema_migrations').pluck('name'));
  return names.filter((name) => !done.has(name));
}

/** Milliseconds to wait for a connection. */
const CONNECT_TIMEOUT = 10_000;

/**
 * Applies what is missing to the database at this URL, on a connection of its own.
 * @returns the names of the migrations that were applied now
 */
export async function migrateDatabase(url: string): Promise<string[]> {
  const postgres = createPostgres({
    url,
    poolSize: 2,
    acquireTimeout: CONNECT_TIMEOUT,
    // A migration takes as long as it takes, and so does waiting for another process's.
    statementTimeout: 0,
    onError: () => {},
  });
  try {
    return await migrate(postgres.knex);
  } finally {
    await postgres.close();
  }
}
