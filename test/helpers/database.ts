import { randomBytes } from 'node:crypto';
import { after } from 'node:test';
import pg from 'pg';

/** The database that every test database is cloned from; made once by prepare.ts. */
export const TEMPLATE = 'gatehouse_template';

/** Base URL of the test server; `npm test` and `scripts/services.mjs` set it. */
export function testServerUrl(): string {
  const url = process.env.TEST_DATABASE_URL;
  if (!url) throw new Error('TEST_DATABASE_URL is not set: run the tests with npm test');
  return url;
}

/** Base URL of the test Redis. */
export function testRedisUrl(): string {
  const url = process.env.TEST_REDIS_URL;
  if (!url) throw new Error('TEST_REDIS_URL is not set: run the tests with npm test');
  return url;
}

/** Runs one statement on the maintenance database. */
export async function onServer(sql: string): Promise<void> {
  const url = new URL(testServerUrl());
  url.pathname = '/postgres';
  const client = new pg.Client(url.href);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

export const databaseUrl = (name: string): string => {
  const url = new URL(testServerUrl());
  url.pathname = `/${name}`;
  return url.href;
};

/**
 * A migrated database of the caller's own, dropped after the test file.
 * @returns its connection URL
 */
export async function createDatabase(): Promise<string> {
  const name = `test_${process.pid}_${randomBytes(4).toString('hex')}`;
  await onServer(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE} STRATEGY WAL_LOG`);
  after(() => onServer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
  return databaseUrl(name);
}

/** A Redis key prefix of the caller's own. */
export const redisPrefix = (): string => `test:${process.pid}:${randomBytes(4).toString('hex')}:`;
