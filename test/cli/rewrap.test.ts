import assert from 'node:assert/strict';
import { createCipheriv, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import { SEALED_COLUMNS } from '../../src/infra/rewrap.ts';
import { createSealer } from '../../src/infra/sealing.ts';
import { basic, postForm, randomText, refresh, signInForTokens } from '../flows/support.ts';
import {
  freePort,
  seedClient,
  seedPeople,
  startGatehouse,
  type TestClient,
} from '../helpers/gatehouse.ts';
import { authorizationRequest, discover } from '../helpers/openid.ts';
import { createCli } from './harness.ts';

const [oldKey, newKey] = [randomBytes(32), randomBytes(32)];
const asText = (key: Buffer) => key.toString('base64');

const cli = await createCli({
  KEY_ENCRYPTION_KEY: asText(oldKey),
  KEY_ENCRYPTION_KEY_OTHER: asText(newKey),
});
/** What runs before the move, and through it: seals under the old key, opens both. */
const before = await startGatehouse({ settings: cli.env });
const people = await seedPeople(before.deps);
const client = await seedClient(before.deps, people.tenantId);
const keyed = await seedClient(before.deps, people.tenantId, {
  metadata: { token_endpoint_auth_method: 'client_secret_jwt' },
});
const world = { ...before, people, client };

/** The settings with the new key first; without `other` the old one is forgotten. */
const moved = (other?: Buffer) => ({
  KEY_ENCRYPTION_KEY: asText(newKey),
  KEY_ENCRYPTION_KEY_OTHER: other ? asText(other) : undefined,
});

interface Column {
  table: string;
  column: string;
  moved: number;
  failed: number;
}

async function rewrap(env: Record<string, string | undefined>) {
  const run = await cli.run(['keys', 'rewrap', '--json'], { env });
  const { columns } = run.json() as { columns: Column[] };
  const total = (name: 'moved' | 'failed') => columns.reduce((sum, one) => sum + one[name], 0);
  return { ...run, columns, moved: total('moved'), failed: total('failed') };
}

/** How many values of each sealed column there are, and how many are not under this key. */
async function countNotUnder(key: Buffer): Promise<number> {
  let found = 0;
  for (const { table, column } of SEALED_COLUMNS) {
    const rows = await cli.query(
      `SELECT count(*)::int AS n FROM ${table}
        WHERE length(${column}) > 0 AND substring(${column} FOR 5) <> $1`,
      [createSealer(key).prefix],
    );
    found += Number(rows[0]?.n);
  }
  return found;
}

async function authenticateByJwt(url: string, { clientId, clientSecret }: TestClient) {
  const now = Math.floor(Date.now() / 1000);
  const assertion = await new SignJWT({ jti: randomText() })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(before.url)
    .setIssuedAt(now)
    .setExpirationTime(now + 60)
    .sign(new TextEncoder().encode(clientSecret));
  const { status } = await postForm(`${url}/token`, {
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  });
  return status;
}

/** A further process of the deployment. */
async function startOther(settings: Record<string, string | undefined>) {
  const port = String(await freePort());
  const env = { ...cli.env, ...settings, PORT: port, ALLOWED_HOSTS: `localhost:${port}` };
  const present = Object.entries(env).filter((entry): entry is [string, string] => !!entry[1]);
  const other = await startGatehouse({ settings: Object.fromEntries(present) });
  return { ...other, url: `http://localhost:${port}` };
}

test('every column that holds sealed values is moved', async () => {
  const rows = await cli.query(
    `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
      WHERE table_schema = 'public' AND data_type = 'bytea' AND column_name LIKE '%sealed'`,
  );
  const known = SEALED_COLUMNS.map(({ table, column }) => `${table}.${column}`);
  assert.deepEqual(rows.map(({ name }) => name).sort(), known.sort());
});

test('rewrap moves everything to the new key while servers of both orders run', async () => {
  const { agent, refreshToken } = await signInForTokens(world);
  const after = await startOther(moved(oldKey));
  assert.ok((await countNotUnder(newKey)) > 5);

  const doctor = async () => (await cli.run(['doctor', '--json'], { env: moved(oldKey) })).stdout;
  assert.match(await doctor(), /are under KEY_ENCRYPTION_KEY_OTHER/);

  const first = await rewrap(moved(oldKey));
  assert.equal(first.code, 0, first.stderr);
  assert.equal(first.failed, 0);
  for (const table of ['signing_keys', 'server_secrets', 'clients', 'sessions']) {
    assert.ok(
      first.columns.some((one) => one.table === table && one.moved > 0),
      table,
    );
  }
  assert.equal(await countNotUnder(newKey), 0);
  assert.match(await doctor(), /the key-encryption key opens all/);
  const again = await rewrap(moved(oldKey));
  assert.deepEqual([again.moved, again.failed], [0, 0], 'nothing is moved twice');

  for (const { url } of [before, after]) assert.equal(await authenticateByJwt(url, keyed), 200);
  assert.equal(before.deps.engine.current().provider.issuer, before.url);
  assert.equal(await before.deps.engine.refresh(), false, 'the keys are the same');
  const configuration = await discover(before.url, client);
  const request = await authorizationRequest(configuration, client.redirectUri);
  const end = await agent.follow(request.url);
  assert.ok(end.url.searchParams.get('code'), 'the session goes on without another sign-in');
  assert.equal((await refresh(before.url, client, refreshToken)).status, 200);
});

test('what a server still seals under the old key is moved by the next run', async () => {
  await signInForTokens(world);
  assert.ok((await countNotUnder(newKey)) > 0);
  const run = await rewrap(moved(oldKey));
  assert.ok(run.moved > 0 && run.failed === 0);
  assert.equal(await countNotUnder(newKey), 0);
});

test('after it, the old key is not needed: a server with the new one alone starts and serves', async () => {
  const alone = await startOther(moved());
  assert.equal(await authenticateByJwt(alone.url, keyed), 200);
  const form = { grant_type: 'client_credentials' };
  assert.equal((await postForm(`${alone.url}/token`, form, basic(client))).status, 200);
  const run = await rewrap(moved());
  assert.deepEqual([run.code, run.moved, run.failed], [0, 0, 0]);
});

test('values without the id of their key are moved; those that no key opens are told and kept', async () => {
  const [row] = await cli.query('SELECT id, id_hash FROM sessions WHERE ended_at IS NULL LIMIT 1');
  const name = `Session:${String((row?.id_hash as Buffer | undefined)?.toString('hex'))}`;
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', oldKey, iv).setAAD(Buffer.from(name));
  const body = Buffer.concat([cipher.update('cookie'), cipher.final()]);
  const old = Buffer.concat([Buffer.of(1), iv, cipher.getAuthTag(), body]);
  const put = (value: Buffer) =>
    cli.query('UPDATE sessions SET id_sealed = $1 WHERE id = $2', [value, row?.id]);
  const get = async () =>
    (await cli.query('SELECT id_sealed FROM sessions WHERE id = $1', [row?.id]))[0]
      ?.id_sealed as Buffer;

  await put(old);
  const lost = await rewrap(moved());
  assert.deepEqual([lost.code, lost.moved, lost.failed], [1, 0, 1]);
  assert.match(lost.stderr, /set it as KEY_ENCRYPTION_KEY_OTHER and run this again/);
  assert.deepEqual(await get(), old);

  const file = path.join(cli.dir, 'other-key');
  await writeFile(file, `${oldKey.toString('hex')}\n`);
  const run = await rewrap({
    ...moved(),
    KEY_ENCRYPTION_KEY_OTHER_FILE: file,
  });
  assert.deepEqual([run.code, run.moved, run.failed], [0, 1, 0], run.stderr);
  assert.equal(
    createSealer(newKey)
      .open(await get(), name)
      .toString(),
    'cookie',
  );
});
