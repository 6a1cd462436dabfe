import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import pg from 'pg';
import type { Stores } from './contestants.ts';
import { ISSUER, type World } from './world.ts';

export interface StoreFacts {
  postgres: string;
  redis: string;
}

async function onServer<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Versions, and the settings that decide whether a commit outlives a crash. */
async function describeStores(databaseUrl: string, redisUrl: string): Promise<StoreFacts> {
  const postgres = await onServer(databaseUrl, async (client) => {
    const show = async (name: string): Promise<string> =>
      Object.values((await client.query(`SHOW ${name}`)).rows[0] as object).join();
    const settings: string[] = [];
    for (const name of ['fsync', 'synchronous_commit', 'full_page_writes']) {
      settings.push(`${name} ${await show(name)}`);
    }
    return `PostgreSQL ${await show('server_version')} (${settings.join(', ')})`;
  });
  const redis = new Redis(redisUrl);
  try {
    const version = /redis_version:(\S+)/.exec(await redis.info('server'))?.[1];
    const [, append] = (await redis.config('GET', 'appendonly')) as string[];
    return { postgres, redis: `Redis ${version} (appendonly ${append})` };
  } finally {
    redis.disconnect();
  }
}

async function deletePrefix(redisUrl: string, prefix: string): Promise<void> {
  const redis = new Redis(redisUrl);
  try {
    for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 1_000 })) {
      if (keys.length > 0) await redis.unlink(...(keys as string[]));
    }
  } finally {
    redis.disconnect();
  }
}

/** Runs a program of ours to its end. @returns what it printed */
async function runScript(file: string, env: Record<string, string>): Promise<string> {
  const script = fileURLToPath(new URL(file, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script], {
    env: { PATH: process.env.PATH, ...env, LOG_LEVEL: 'silent' },
  });
  return stdout;
}

async function seed(env: Record<string, string>): Promise<World> {
  await runScript('../../src/main.ts', { ...env, RUN_MODE: 'migrate' });
  return JSON.parse(await runScript('../servers/seed.ts', env)) as World;
}

/**
 * A database and a Redis prefix of this run's own, migrated and with the people
 * and clients of the benchmark in it; dropped by `close`.
 */
export async function openStores(urls: {
  databaseUrl: string;
  redisUrl: string;
}): Promise<{ stores: Stores; facts: StoreFacts; close(): Promise<void> }> {
  const { databaseUrl, redisUrl } = urls;
  const facts = await describeStores(databaseUrl, redisUrl);
  const name = `gatehouse_bench_${randomBytes(4).toString('hex')}`;
  await onServer(databaseUrl, (client) => client.query(`CREATE DATABASE ${name}`));
  const own = new URL(databaseUrl);
  own.pathname = `/${name}`;
  const dir = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'));
  const prefix = `${name}:`;
  const env = {
    NODE_ENV: 'production',
    ISSUER,
    HOST: '127.0.0.1',
    TRUSTED_PROXIES: '127.0.0.1',
    DATABASE_URL: own.href,
    REDIS_URL: redisUrl,
    REDIS_PREFIX: prefix,
    KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    LOG_LEVEL: 'info',
  };
  async function close(): Promise<void> {
    await onServer(databaseUrl, (client) =>
      client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
    );
    await deletePrefix(redisUrl, prefix);
    await rm(dir, { recursive: true, force: true });
  }
  try {
    return { stores: { env, dir, world: await seed(env) }, facts, close };
  } catch (error) {
    await close();
    throw error;
  }
}
