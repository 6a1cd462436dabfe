import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { startGatehouse } from '../helpers/gatehouse.ts';
import { createCli, hasStack, type RunOptions } from './harness.ts';

interface Check {
  check: string;
  status: string;
  found: string;
  advice: string | null;
}

const cli = await createCli();
/** Another one, which runs. */
const live = await createCli();
const gatehouse = await startGatehouse({ settings: live.env });

async function examine(options?: RunOptions, of = cli) {
  const result = await of.run(['doctor', '--json'], options);
  const { healthy, checks } = result.json() as unknown as { healthy: boolean; checks: Check[] };
  const find = (name: string): Check => {
    const found = checks.find(({ check }) => check === name);
    assert.ok(found, `no check ${name}: ${result.stdout}`);
    return found;
  };
  assert.ok(!hasStack(result), result.stderr);
  assert.equal(result.code, healthy ? 0 : 1);
  assert.equal(
    healthy,
    checks.every(({ status }) => status !== 'fail'),
  );
  return { result, healthy, checks, find };
}

test('before the first start nothing is amiss: what is not there yet is made then', async () => {
  const { healthy, find } = await examine();
  assert.ok(healthy);
  assert.equal(find('sealed values').status, 'info');
  assert.equal(find('signing keys').status, 'info');
  assert.equal(find('issuer').status, 'info');
  assert.match(find('issuer').found, /does not run/);
  assert.deepEqual(await cli.query('SELECT * FROM signing_keys'), []);
});

test('invalid settings are each a failure, told without their values', async () => {
  const env = { REDIS_URL: 'http://:hunter2@redis', PORT: 'x' };
  const { healthy, checks, result } = await examine({ env });
  assert.ok(!healthy);
  const failed = checks.filter(({ status }) => status === 'fail').map(({ found }) => found);
  assert.equal(failed.length, 2);
  assert.ok(failed.some((found) => found.startsWith('REDIS_URL: must be a redis://')));
  assert.ok(!result.all.includes('hunter2'));
});

test('a Redis that does not answer fails, and the other checks go on', async () => {
  const { healthy, find } = await examine({ env: { REDIS_URL: 'redis://:pw@127.0.0.1:1' } });
  assert.ok(!healthy);
  assert.equal(find('redis').status, 'fail');
  assert.match(find('redis').found, /ECONNREFUSED/);
  assert.match(find('redis').advice ?? '', /REDIS_URL/);
  assert.equal(find('postgres').status, 'ok');
});

test('a database that does not answer, or refuses the password, fails', async () => {
  const down = await examine({ env: { DATABASE_URL: 'postgres://x:hunter2@127.0.0.1:1/x' } });
  assert.equal(down.find('postgres').status, 'fail');
  assert.ok(!down.result.all.includes('hunter2'));
  const url = new URL(cli.env.DATABASE_URL as string);
  url.pathname = '/no_such_database';
  const missing = await examine({ env: { DATABASE_URL: url.href } });
  assert.match(missing.find('postgres').found, /no such database/);
});

test('a pending migration is told: a warning where the start applies it, else a failure', async () => {
  const [last] = await cli.query(
    'DELETE FROM schema_migrations WHERE name = (SELECT max(name) FROM schema_migrations) RETURNING name',
  );
  try {
    const applied = await examine();
    assert.equal(applied.find('migrations').status, 'warn');
    const manual = await examine({ env: { MIGRATE_ON_START: 'false' } });
    assert.equal(manual.find('migrations').status, 'fail');
    assert.match(manual.find('migrations').found, new RegExp(String(last?.name)));
    assert.match(manual.find('migrations').advice ?? '', /gatehouse migrate/);
  } finally {
    await cli.query('INSERT INTO schema_migrations (name) VALUES ($1)', [last?.name]);
  }
});

test('a key file that others can read is a warning', async () => {
  const file = path.join(cli.dir, 'key');
  await writeFile(file, randomBytes(32).toString('base64'));
  const env = { KEY_ENCRYPTION_KEY: undefined, KEY_ENCRYPTION_KEY_FILE: file };
  await chmod(file, 0o644);
  const open = await examine({ env });
  assert.equal(open.find('key file').status, 'warn');
  assert.match(open.find('key file').advice ?? '', /chmod 600/);
  await chmod(file, 0o600);
  assert.equal((await examine({ env })).find('key file').status, 'ok');
  await writeFile(file, 'too short');
  const malformed = await examine({ env });
  assert.equal(malformed.find('key-encryption key').status, 'fail');
  assert.ok(!malformed.result.all.includes('too short'));
});

test('more hashes than cores, and proxies that are everybody, are warnings', async () => {
  const env = { MAX_CONCURRENT_HASHES: '64', WEB_CONCURRENCY: '4', TRUSTED_PROXIES: '0.0.0.0/0' };
  const { find } = await examine({ env });
  assert.equal(find('hashing').status, 'warn');
  assert.equal(find('proxies').status, 'warn');
});

test('a running instance is found ready, with its keys', async () => {
  const { healthy, find } = await examine({}, live);
  assert.ok(healthy);
  assert.equal(find('issuer').status, 'ok');
  assert.equal(find('discovery').found, `issuer ${gatehouse.url}`);
  assert.match(find('sealed values').found, /opens all/);
  assert.match(find('signing keys').found, /RS256 for /);
});

test('an instance that runs with another issuer is told', async () => {
  const env = { ISSUER: gatehouse.url.replace('localhost', '127.0.0.1') };
  const { healthy, find } = await examine({ env }, live);
  assert.ok(!healthy);
  assert.equal(find('discovery').status, 'fail');
});

test('a key-encryption key that opens nothing fails here and stops every command that needs it', async () => {
  const env = { KEY_ENCRYPTION_KEY: randomBytes(32).toString('hex') };
  const { healthy, find } = await examine({ env }, live);
  assert.ok(!healthy);
  assert.equal(find('sealed values').status, 'fail');
  await live.run(['tenants', 'create', 'lotus', '--name', 'Lotus']);
  const refused = await live.run(
    ['clients', 'create', '--tenant', 'lotus', '--grant', 'client_credentials'],
    { env },
  );
  assert.equal(refused.code, 78);
  assert.match(refused.stderr, /not the one that sealed/);
  assert.deepEqual(await live.query('SELECT * FROM clients'), []);
  assert.ok(!hasStack(refused));
});

test('the report for people has a line for each check, with what to do below it', async () => {
  const { stdout, code } = await cli.run(['doctor'], { env: { REDIS_URL: 'redis://127.0.0.1:1' } });
  assert.equal(code, 1);
  assert.match(stdout, /^ok {4}postgres +PostgreSQL \d+/m);
  assert.match(stdout, /^fail {2}redis .+\n +Check that it runs/m);
  assert.match(stdout, /^1 failed, \d+ to look at\.$/m);
});
