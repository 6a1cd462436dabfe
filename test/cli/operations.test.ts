import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { createCli, hasStack } from './harness.ts';

const cli = await createCli({}, { isProgram: true });

test('migrate says what it applied, and is content when there is nothing to do', async () => {
  const nothing = await cli.run(['migrate']);
  assert.equal(nothing.code, 0, nothing.stderr);
  assert.match(nothing.stdout, /Nothing to do/);
  assert.deepEqual((await cli.run(['migrate', '--json'])).json(), { applied: [] });

  await cli.query('DROP SCHEMA public CASCADE');
  await cli.query('CREATE SCHEMA public');
  const before = await cli.run(['users', 'list', '--tenant', 'lotus']);
  assert.equal(before.code, 1);
  assert.match(before.stderr, /Run: gatehouse migrate/);
  const { applied } = (await cli.run(['migrate', '--json'])).json() as { applied: string[] };
  assert.ok(applied.includes('0001_tenants_and_users.ts'));
  assert.deepEqual(
    (await cli.query('SELECT name FROM schema_migrations ORDER BY 1')).map(({ name }) => name),
    applied,
  );
});

test('listings need no key-encryption key and make none, nor signing keys', async () => {
  const env = { KEY_ENCRYPTION_KEY: undefined, REDIS_URL: 'redis://127.0.0.1:1' };
  for (const args of [
    ['tenants', 'list'],
    ['clients', 'list'],
    ['users', 'list', '--tenant', 'platform'],
    ['keys', 'list'],
  ]) {
    const { code, stderr } = await cli.run([...args, '--json'], { env });
    assert.equal(code, 0, stderr);
  }
  await assert.rejects(stat(path.join(cli.dir, '.data')));
  assert.deepEqual((await cli.run(['keys', 'list', '--json'])).json(), { keys: [] });
});

test('demo data are made once; their secrets are in a private file alone', async () => {
  const made = await cli.run(['seed', '--demo-url', 'http://localhost:4711/', '--json'], {
    env: { LOG_LEVEL: 'trace' },
  });
  assert.equal(made.code, 0, made.stderr);
  const { users, clients, file } = made.json() as {
    users: string[];
    clients: string[];
    file: string;
  };
  assert.equal(users.length, 2);
  assert.deepEqual(clients, ['demo-first-party', 'demo-third-party']);
  const kept = path.join(cli.dir, file);
  assert.equal((await stat(kept)).mode & 0o777, 0o600);
  const text = await readFile(kept, 'utf8');
  const demo = JSON.parse(text) as {
    user: { password: string };
    firstParty: { clientSecret: string };
  };
  assert.ok(!made.all.includes(demo.user.password));
  assert.ok(!made.all.includes(demo.firstParty.clientSecret));
  const [client] = await cli.query(
    "SELECT metadata FROM clients WHERE client_id = 'demo-first-party'",
  );
  assert.match(JSON.stringify(client), /"http:\/\/localhost:4711\/callback"/);

  assert.equal((await cli.run(['seed'])).code, 0);
  assert.equal(await readFile(kept, 'utf8'), text);
});

test('demo data are refused in production, before anything is opened', async () => {
  const env = {
    NODE_ENV: 'production',
    ISSUER: 'https://id.example.com',
    DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
  };
  const refused = await cli.run(['seed'], { env });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /refused in production/);
});

test('keys are listed with state, algorithm and age, and nothing private', async () => {
  const listed = await cli.run(['keys', 'list', '--json']);
  const { keys } = listed.json() as { keys: Record<string, unknown>[] };
  assert.deepEqual(keys.map(({ alg }) => alg).sort(), ['ES256', 'EdDSA', 'RS256']);
  for (const key of keys) {
    assert.deepEqual(Object.keys(key).sort(), [
      'activatedAt',
      'ageSeconds',
      'alg',
      'createdAt',
      'goneAt',
      'kid',
      'retiredAt',
      'state',
    ]);
    assert.equal(key.state, 'current');
    assert.ok(Number(key.ageSeconds) < 300);
  }
  const text = await cli.run(['keys', 'list']);
  assert.match(text.stdout, /^STATE +ALG +KID +AGE/);
});

test('config shows the effective values and where they come from, secrets masked', async () => {
  const file = path.join(cli.dir, 'redis-url');
  await writeFile(file, `${cli.env.REDIS_URL}\n`);
  const env = {
    REDIS_URL: undefined,
    REDIS_URL_FILE: file,
    METRICS_TOKEN: 'metrics-secret',
    GATEHOUSE_LOG_LEVEL: 'warn',
    TRUSTED_PROXIES: '10.0.0.0/8, 192.0.2.1',
  };
  const shown = await cli.run(['config', '--json'], { env });
  assert.equal(shown.code, 0, shown.stderr);
  const { settings } = shown.json() as { settings: { name: string }[] };
  const find = (name: string) => settings.find((setting) => setting.name === name);
  const redacted = { value: '[redacted]', secret: true };
  assert.deepEqual(find('REDIS_URL'), { name: 'REDIS_URL', source: 'REDIS_URL_FILE', ...redacted });
  assert.deepEqual(find('LOG_LEVEL'), {
    name: 'LOG_LEVEL',
    value: 'warn',
    source: 'GATEHOUSE_LOG_LEVEL',
    secret: false,
  });
  assert.deepEqual(find('ACCESS_TOKEN_TTL'), {
    name: 'ACCESS_TOKEN_TTL',
    value: '900',
    source: 'default',
    secret: false,
  });
  for (const secret of ['metrics-secret', cli.env.KEY_ENCRYPTION_KEY, cli.env.DATABASE_URL]) {
    assert.ok(secret && !shown.all.includes(secret));
  }
});

test('an invalid configuration ends every command with 78 and all that is wrong', async () => {
  const env = { PORT: 'x', GATEHOUSE_COLOUR: 'red', ACCESS_TOKEN_TTL: '-1' };
  for (const args of [['config'], ['config', 'check'], ['users', 'list', '--tenant', 'a']]) {
    const refused = await cli.run([...args, '--json'], { env });
    assert.equal(refused.code, 78);
    assert.equal(refused.stdout, '');
    for (const name of ['PORT', 'GATEHOUSE_COLOUR', 'ACCESS_TOKEN_TTL']) {
      assert.match(refused.stderr, new RegExp(`- ${name}`));
    }
    assert.ok(!hasStack(refused));
  }
  assert.equal((await cli.run(['config', 'check'])).code, 0);
});

test('beside `npm start`, the stores are found without any setting', async () => {
  const { DATABASE_URL, REDIS_URL, REDIS_PREFIX } = cli.env;
  await mkdir(path.join(cli.dir, '.data'), { recursive: true });
  const file = path.join(cli.dir, '.data', 'gatehouse.env');
  await writeFile(file, `DATABASE_URL=${DATABASE_URL}\nREDIS_URL=${REDIS_URL}\n`);
  const env = { DATABASE_URL: undefined, REDIS_URL: undefined, NODE_ENV: undefined, REDIS_PREFIX };
  try {
    const listed = await cli.run(['tenants', 'list'], { env });
    assert.equal(listed.code, 0, listed.stderr);
    assert.match(listed.stdout, /demo/);
    const { settings } = (await cli.run(['config', '--json'], { env })).json() as {
      settings: { name: string; source: string }[];
    };
    const source = settings.find(({ name }) => name === 'DATABASE_URL')?.source;
    assert.equal(source, '.data/gatehouse.env');
  } finally {
    await rm(file);
  }
  const gone = await cli.run(['tenants', 'list'], { env });
  assert.equal(gone.code, 78);
  assert.match(gone.stderr, /while `npm start` runs/);
});

test('what is not understood ends with 2, help and version with 0', async () => {
  for (const args of [['bogus'], ['users'], ['keys', 'list', '--bogus'], ['users', 'list'], []]) {
    const refused = await cli.run(args);
    assert.equal(refused.code, 2, args.join(' '));
    assert.equal(refused.stdout, '');
  }
  assert.equal((await cli.run(['--help'])).code, 0);
  assert.match((await cli.run(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});

test('a stack trace is shown only when LOG_LEVEL asks for it', async () => {
  const env = { DATABASE_URL: 'postgres://x:hunter2@127.0.0.1:1/x' };
  const quiet = await cli.run(['migrate'], { env });
  assert.equal(quiet.code, 1);
  assert.match(quiet.stderr, /PostgreSQL cannot be reached: .*ECONNREFUSED/);
  assert.ok(!hasStack(quiet));
  const loud = await cli.run(['migrate'], { env: { ...env, LOG_LEVEL: 'debug' } });
  assert.ok(hasStack(loud));
  assert.ok(!loud.all.includes('hunter2'));
  const key = { KEY_ENCRYPTION_KEY: randomBytes(8).toString('hex') };
  const malformed = await cli.run(['clients', 'create', '--tenant', 'demo'], { env: key });
  assert.equal(malformed.code, 78);
  assert.match(malformed.stderr, /must hold 32 bytes/);
});
