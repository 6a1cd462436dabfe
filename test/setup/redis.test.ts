import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { Redis } from 'ioredis';
import { delay, findProgram, processStart, ROOT } from '../../scripts/lib/common.mjs';
import { findRedis, startRedis } from '../../scripts/lib/redis.mjs';

const available = findProgram('redis-server') ?? findProgram('valkey-server');
const skip = available ? false : 'no redis-server or valkey-server on the PATH';

/** Starts an instance in `dataDir` that is stopped after the test file. */
async function start(dataDir: string, durable: boolean) {
  const redis = await startRedis({ dataDir, durable, log: () => {} });
  after(() => redis.stop());
  return redis;
}

function temporaryDirectory(): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'gatehouse-setup-'));
  after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function withClient<T>(url: string, work: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
  client.on('error', () => {}); // the commands report it
  try {
    return await work(client);
  } finally {
    client.disconnect();
  }
}

describe('startRedis', { skip }, () => {
  test('keeps port, password and data after kill -9 when durable', async () => {
    const dataDir = temporaryDirectory();
    const first = await start(dataDir, true);
    await withClient(first.url, (client) => client.set('answer', '42'));
    process.kill(first.pid, 'SIGKILL');
    assert.equal(await first.exited, 'signal SIGKILL');

    const second = await start(dataDir, true);
    assert.equal(second.url, first.url);
    assert.equal(await withClient(second.url, (client) => client.get('answer')), '42');
    await second.stop();
  });

  test('evicts nothing and asks for the password', async () => {
    const { url, port, stop } = await start(temporaryDirectory(), false);
    const policy = await withClient(url, (client) => client.config('GET', 'maxmemory-policy'));
    assert.deepEqual(policy, ['maxmemory-policy', 'noeviction']);
    await assert.rejects(
      withClient(`redis://127.0.0.1:${port}`, (client) => client.get('x')),
      /NOAUTH/,
    );
    await stop();
  });

  test('stops an instance left running, and takes another port when the last one is taken', async () => {
    const dataDir = temporaryDirectory();
    const left = await start(dataDir, false);
    const next = await start(dataDir, false);
    assert.equal(await left.exited, 'code 0');
    assert.equal(next.port, left.port);
    await next.stop();

    const stranger = createServer();
    await new Promise<void>((resolve) => stranger.listen(next.port, '127.0.0.1', resolve));
    const elsewhere = await start(dataDir, false);
    stranger.close();
    assert.notEqual(elsewhere.port, next.port);
    await elsewhere.stop();
  });

  test('ends with the process that started it, even by kill -9', async () => {
    const script = `
      import { startRedis } from './scripts/lib/redis.mjs';
      const options = { dataDir: process.env.DIR, durable: false, log: () => {} };
      console.log((await startRedis(options)).pid);
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: ROOT,
      env: { ...process.env, DIR: temporaryDirectory() },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = await new Promise<number>((resolve) => {
      parent.stdout.once('data', (chunk) => resolve(Number(chunk)));
    });
    assert.ok(processStart(pid));
    parent.kill('SIGKILL');
    const deadline = Date.now() + 5000;
    while (processStart(pid) && Date.now() < deadline) await delay(20);
    assert.equal(processStart(pid), undefined);
  });
});

test('without Redis and without apt-get, names the three ways to get one', async () => {
  const options = { searchPath: temporaryDirectory(), canInstall: false, log: () => {} };
  await assert.rejects(findRedis(options), (error: Error) => {
    assert.match(error.message, /apt-get install redis-server/);
    assert.match(error.message, /REDIS_URL=/);
    assert.match(error.message, /docker compose up/);
    return true;
  });
});
