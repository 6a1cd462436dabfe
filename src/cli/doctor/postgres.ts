import type { Knex } from 'knex';
import type { Config } from '../../config.ts';
import { pendingMigrations } from '../../infra/migrations.ts';
import type { Context } from '../context.ts';
import { describeError } from '../errors.ts';
import { about, type Finding } from './finding.ts';

/** The oldest major version that is supported. */
const OLDEST = 15;

/** Seconds that clocks may differ before it is worth a word, and before it breaks sign-in. */
const SKEW = { warn: 1, fail: 30 };

async function checkVersion(knex: Knex): Promise<Finding> {
  const { ok, fail } = about('postgres');
  const { rows } = await knex.raw(
    "SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version",
  );
  const { number, version } = rows[0] as { number: number; version: string };
  const found = `PostgreSQL ${version}`;
  return number >= OLDEST * 10_000 ? ok(found) : fail(found, `Use PostgreSQL ${OLDEST} or newer.`);
}

async function checkMigrations(knex: Knex, config: Config): Promise<Finding> {
  const { ok, warn, fail } = about('migrations');
  const pending = await pendingMigrations(knex);
  if (pending.length === 0) return ok('none is pending');
  const found = `pending: ${pending.join(', ')}`;
  return config.MIGRATE_ON_START
    ? warn(found, 'The next start applies them; or run: gatehouse migrate')
    : fail(found, 'Run: gatehouse migrate');
}

async function checkClock(knex: Knex): Promise<Finding> {
  const { ok, warn, fail } = about('clock');
  const before = Date.now();
  const { rows } = await knex.raw('SELECT extract(epoch FROM clock_timestamp())::float8 AS now');
  const here = (before + Date.now()) / 2;
  const skew = (rows[0] as { now: number }).now - here / 1000;
  const found = `the database is ${Math.abs(skew).toFixed(2)} s ${skew < 0 ? 'behind' : 'ahead'}`;
  const advice = 'Keep every host in time with NTP: tokens and codes live by the clock.';
  if (Math.abs(skew) >= SKEW.fail) return fail(found, advice);
  return Math.abs(skew) >= SKEW.warn ? warn(found, advice) : ok(found);
}

/** Whether the pools of one instance fit; other instances take as many again. */
async function checkConnections(knex: Knex, config: Config): Promise<Finding> {
  const { ok, warn } = about('connections');
  const { rows } = await knex.raw("SELECT current_setting('max_connections')::int AS most");
  const { most } = rows[0] as { most: number };
  const processes = config.RUN_MODE === 'worker' ? 1 : config.WEB_CONCURRENCY;
  const wanted = config.DATABASE_POOL_SIZE * processes;
  const found = `an instance opens up to ${wanted}; PostgreSQL allows ${most} in all`;
  if (wanted < most) return ok(found);
  return warn(found, 'Lower DATABASE_POOL_SIZE or raise max_connections.');
}

/** PostgreSQL and what is in it. @returns findings, and the database if it answers */
export async function checkPostgres(
  context: Context,
): Promise<{ findings: Finding[]; knex: Knex | undefined }> {
  try {
    const { knex } = await context.database();
    const { config } = context;
    const findings = [
      await checkVersion(knex),
      await checkConnections(knex, config),
      await checkClock(knex),
      await checkMigrations(knex, config),
    ];
    return { findings, knex };
  } catch (error) {
    const [found = '', ...advice] = describeError(error).text.split('\n');
    const finding = about('postgres').fail(
      found,
      advice.join(' ').replace('; see: gatehouse doctor', '.'),
    );
    return { findings: [finding], knex: undefined };
  }
}
