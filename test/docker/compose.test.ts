import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { CONFIG_DOCS, parseConfig } from '../../src/config.ts';

const FOLDER = fileURLToPath(new URL('../../docker/', import.meta.url));
const compose = readFileSync(join(FOLDER, 'compose.yaml'), 'utf8').replaceAll(/^ *#.*\n/gm, '');
const example = parseEnv(readFileSync(join(FOLDER, '.env.example'), 'utf8'));

/** `NAME: value` lines: in this file only environment variables are in capitals. */
const variables = [...compose.matchAll(/^ +([A-Z][A-Z0-9_]*): (.*)$/gm)].map(
  ([, name = '', value = '']) => ({ name, value }),
);

/** Variables of the other images. */
const isForeign = (name: string): boolean => /^(POSTGRES|MP)_/.test(name);

/** Fills in `${NAME}`, `${NAME:-default}` and `${NAME:?message}`, and takes off quotes. */
const interpolate = (value: string): string =>
  value
    .replaceAll(
      /\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}/g,
      (_, name, rest) => example[name] || rest || '',
    )
    .replace(/^(["'])(.*)\1$/, '$2');

describe('the compose file', () => {
  test('every variable that it sets is a setting of Gatehouse', () => {
    const known = new Set(
      CONFIG_DOCS.flatMap(({ name, secret }) => (secret ? [name, `${name}_FILE`] : [name])),
    );
    const ours = variables.filter(({ name }) => !isForeign(name));
    assert.ok(ours.length >= 8);
    for (const { name } of ours) assert.ok(known.has(name), `${name} is not a setting`);
  });

  test('its settings with those of .env.example are a valid production configuration', (t) => {
    const secrets = mkdtempSync(join(tmpdir(), 'gatehouse-compose-'));
    t.after(() => rmSync(secrets, { recursive: true }));
    const url = 'postgres://gatehouse:p@postgres:5432/gatehouse\n';
    writeFileSync(join(secrets, 'database_url'), url);
    const env = Object.fromEntries(
      variables
        .filter(({ name }) => !isForeign(name))
        .map(({ name, value }) => [name, interpolate(value).replace('/run/secrets', secrets)]),
    );
    const config = parseConfig(env);
    assert.equal(config.isProduction, true);
    assert.equal(config.DATABASE_URL.reveal(), url.trim());
    assert.equal(config.MIGRATE_ON_START, false);
  });

  test('.env.example names what it asks for, and nothing else', () => {
    const used = [...compose.matchAll(/\$\{(\w+)/g)].map(([, name = '']) => name);
    assert.deepEqual(Object.keys(example).sort(), [...new Set(used)].sort());
  });

  test('it holds no secret', () => {
    for (const { name, value } of variables) {
      if (/PASSWORD|SECRET|TOKEN|KEY/.test(name))
        assert.match(value, /^\/run\/secrets\/\w+$/, name);
    }
    assert.doesNotMatch(compose, /:\/\/[^/\s]*:[^/\s]*@/);
    assert.doesNotMatch(Object.keys(example).join(), /PASSWORD|SECRET|TOKEN|KEY/);
    assert.match(readFileSync(join(FOLDER, '.gitignore'), 'utf8'), /^\.env\nsecrets\/$/m);
  });

  test('each run mode has a service', () => {
    const modes = variables.filter(({ name }) => name === 'RUN_MODE').map(({ value }) => value);
    assert.deepEqual(modes.sort(), ['api', 'migrate', 'worker']);
  });
});

/** The members of Docker's normal form that the tests look at. */
interface Service {
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  user?: string;
  deploy?: { resources?: { limits?: { memory?: unknown; pids?: unknown } } };
  depends_on?: Record<string, { condition: string }>;
  networks?: Record<string, unknown>;
  ports?: { host_ip?: string }[];
  secrets?: { source: string }[];
}

function askDocker(): { services: Record<string, Service> } | string {
  const args = ['compose', '--env-file', '.env.example', '--profile', '*', 'config'];
  const environment = { PATH: process.env.PATH, HOME: process.env.HOME };
  const options = { cwd: FOLDER, env: environment, encoding: 'utf8' } as const;
  if (spawnSync('docker', ['compose', 'version'], options).status !== 0) {
    return 'docker compose is not installed';
  }
  const { status, stdout, stderr } = spawnSync('docker', [...args, '--format', 'json'], options);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as { services: Record<string, Service> };
}

const resolved = askDocker();

describe('the compose file as Docker reads it', {
  skip: typeof resolved === 'string' && resolved,
}, () => {
  const services = typeof resolved === 'string' ? {} : resolved.services;

  test('every container is locked down and limited', () => {
    assert.deepEqual(Object.keys(services).sort(), [
      'api',
      'mailpit',
      'migrate',
      'nats',
      'postgres',
      'rabbitmq',
      'redis',
      'worker',
    ]);
    for (const [name, service] of Object.entries(services)) {
      assert.equal(service.read_only, true, name);
      assert.deepEqual(service.cap_drop, ['ALL'], name);
      assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
      assert.ok(service.deploy?.resources?.limits?.memory, name);
      assert.ok(service.deploy?.resources?.limits?.pids, name);
    }
  });

  test('the stores are published nowhere, and nothing on every address', () => {
    for (const name of ['postgres', 'redis', 'nats', 'rabbitmq']) {
      assert.equal(services[name]?.ports, undefined);
      assert.deepEqual(Object.keys(services[name]?.networks ?? {}), ['stores']);
    }
    for (const { ports = [] } of Object.values(services)) {
      for (const { host_ip } of ports) assert.equal(host_ip, '127.0.0.1');
    }
  });

  test('the schema is there before anything that needs it starts', () => {
    for (const name of ['api', 'worker']) {
      const needs = services[name]?.depends_on;
      assert.equal(needs?.migrate?.condition, 'service_completed_successfully');
      assert.equal(needs?.redis?.condition, 'service_healthy');
    }
    assert.equal(services.migrate?.depends_on?.postgres?.condition, 'service_healthy');
  });

  test('each container sees its own secrets only', () => {
    const secretsOf = (name: string) => services[name]?.secrets?.map(({ source }) => source).sort();
    for (const name of ['api', 'worker', 'migrate']) {
      assert.deepEqual(secretsOf(name), ['database_url', 'key_encryption_key']);
    }
    assert.deepEqual(secretsOf('postgres'), ['postgres_password']);
  });
});
