import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import pg from 'pg';
import { isRoot } from '../../scripts/lib/common.mjs';
import { startPostgres } from '../../scripts/lib/postgres.mjs';

type Postgres = Awaited<ReturnType<typeof startPostgres>>;

const started = new Set<Postgres>();

after(async () => {
  for (const { stop, cluster } of started) {
    await stop();
    rmSync(path.dirname(cluster), { recursive: true, force: true });
  }
});

/** Starts an instance in `dataDir`; stopped, and its files removed, after the last test. */
async function start(
  dataDir: string,
  options: { durable?: boolean; port?: number } = {},
): Promise<Postgres> {
  const postgres = await startPostgres({ dataDir, durable: false, log: () => {}, ...options });
  started.add(postgres);
  return postgres;
}

const directories = new Set<string>();

after(() => {
  for (const dir of directories) rmSync(dir, { recursive: true, force: true });
});

/** An empty directory, removed after the last test. `mode`: who may enter it besides its owner. */
function temporaryDirectory(mode: number): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'gatehouse-setup-'));
  chmodSync(dir, mode);
  directories.add(dir);
  return dir;
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('startPostgres', () => {
  const dataDir = temporaryDirectory(0o755);

  test('runs PostgreSQL 18 in UTF-8 and UTC, without fsync for tests', async () => {
    const { url, stop } = await start(dataDir);
    const [row] = await query(
      url,
      `SELECT current_setting('server_version_num')::int / 10000 AS major,
              current_setting('server_encoding') AS encoding,
              current_setting('TimeZone') AS zone,
              current_setting('fsync') AS fsync,
              current_setting('listen_addresses') AS addresses,
              lower('ĐẶNG') AS lower`,
    );
    assert.deepEqual(row, {
      major: 18,
      encoding: 'UTF8',
      zone: 'UTC',
      fsync: 'off',
      addresses: '127.0.0.1',
      lower: 'đặng',
    });
    await stop();
  });

  test('asks for the password', async () => {
    const { url, stop } = await start(dataDir);
    const wrong = new URL(url);
    wrong.password = 'wrong';
    await assert.rejects(query(wrong.href, 'SELECT 1'), { code: '28P01' });
    await stop();
  });

  test('keeps port, password and data after kill -9', async () => {
    const first = await start(dataDir, { durable: true });
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    process.kill(first.pid, 'SIGKILL');
    assert.equal(await first.exited, 'signal SIGKILL');

    const second = await start(dataDir, { durable: true });
    assert.equal(second.url, first.url);
    assert.deepEqual(await query(second.url, 'SELECT * FROM kept'), [{ answer: 42 }]);
    await second.stop();
  });

  test('ignores a stale postmaster.pid that names a living stranger', async () => {
    const { cluster, stop } = await start(dataDir);
    await stop();
    writeFileSync(path.join(cluster, 'postmaster.pid'), `${process.pid}\n${cluster}\n`);
    const again = await start(dataDir);
    await again.stop();
  });

  test('stops an instance that a killed start left running', async () => {
    const left = await start(dataDir);
    const next = await start(dataDir);
    assert.equal(await left.exited, 'code 0');
    assert.notEqual(next.pid, left.pid);
    assert.equal(next.port, left.port);
    await next.stop();
  });

  test('takes another port when the last one is taken', async () => {
    const first = await start(dataDir);
    await first.stop();
    const stranger = createServer();
    await new Promise<void>((resolve) => stranger.listen(first.port, '127.0.0.1', resolve));
    const second = await start(dataDir, { port: first.port });
    stranger.close();
    assert.notEqual(second.port, first.port);
    await query(second.url, 'SELECT 1');
    await second.stop();
  });

  test('begins with an empty database when the password is gone', async () => {
    const first = await start(dataDir);
    await query(first.url, 'CREATE TABLE gone ()');
    await first.stop();
    rmSync(path.join(dataDir, 'password'));
    const second = await start(dataDir);
    await assert.rejects(query(second.url, 'SELECT * FROM gone'), { code: '42P01' });
    await second.stop();
  });
});

test('as root, works in a repository that no other user can enter', {
  skip: isRoot() ? false : 'needs root',
}, async () => {
  const dataDir = temporaryDirectory(0o700);
  const { url, cluster, stop } = await start(dataDir);
  assert.ok(!cluster.startsWith(dataDir), cluster);
  await query(url, 'SELECT 1');
  await stop();
  rmSync(path.dirname(cluster), { recursive: true });
  removeIfUnused(path.dirname(path.dirname(cluster)));
});

/** Removes the copy of the programs, unless the instance that serves this test run uses it too. */
function removeIfUnused(base: string): void {
  if (readdirSync(base).some((name) => name.startsWith('data-'))) return;
  rmSync(base, { recursive: true });
}
