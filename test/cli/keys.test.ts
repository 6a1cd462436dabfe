import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { makeKey, publicJwkOf } from '../../src/oidc/keys/material.ts';
import { basic, becomesTrue, getJson, postForm } from '../flows/support.ts';
import { freePort, seedClient, seedPeople, startGatehouse } from '../helpers/gatehouse.ts';
import { startProcess } from '../helpers/process.ts';
import { createCli, hasStack, type Result } from './harness.ts';

/** A running instance, and the command line beside it on the same database. */
const cli = await createCli();
const gatehouse = await startGatehouse({ settings: cli.env });
const people = await seedPeople(gatehouse.deps);
const client = await seedClient(gatehouse.deps, people.tenantId);

interface Listed {
  kid: string;
  alg: string;
  state: string;
}

async function list(alg = 'RS256'): Promise<Listed[]> {
  const { keys } = (await cli.run(['keys', 'list', '--json'])).json() as { keys: Listed[] };
  return keys.filter((key) => key.alg === alg);
}

const current = async (alg?: string): Promise<string> =>
  (await list(alg)).find(({ state }) => state === 'current')?.kid ?? '';

/** Lets a key look as if it had been published long ago. */
const age = () => cli.query("UPDATE signing_keys SET created_at = created_at - interval '2 hours'");

async function publishedKeys(): Promise<Record<string, string>[]> {
  return (await getJson(`${gatehouse.url}/jw-certs`)).body.keys as Record<string, string>[];
}

const isPublished = async (kid: string): Promise<boolean> =>
  (await publishedKeys()).some((key) => key.kid === kid);

async function issue(): Promise<string> {
  const form = { grant_type: 'client_credentials' };
  const { body } = await postForm(`${gatehouse.url}/token`, form, basic(client));
  return String(body.access_token);
}

async function signsWith(kid: string): Promise<boolean> {
  const token = await issue();
  if (decodeProtectedHeader(token).kid !== kid) return false;
  const keys = { keys: await publishedKeys() };
  await jwtVerify(token, createLocalJWKSet(keys as Parameters<typeof createLocalJWKSet>[0]));
  return true;
}

let files = 0;
async function writePem(pem: string): Promise<string> {
  files += 1;
  const file = path.join(cli.dir, `key-${files}.pem`);
  await writeFile(file, pem, { mode: 0o600 });
  return file;
}

const pkcs1 = (key: KeyObject) => key.export({ type: 'pkcs1', format: 'pem' }).toString();
const pkcs8 = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const sec1 = (key: KeyObject) => key.export({ type: 'sec1', format: 'pem' }).toString();
const rsa = (modulusLength = 2_048, publicExponent = 65_537) =>
  generateKeyPairSync('rsa', { modulusLength, publicExponent }).privateKey;
const ec = (namedCurve = 'P-256') => generateKeyPairSync('ec', { namedCurve }).privateKey;
const ed25519 = () => generateKeyPairSync('ed25519').privateKey;

async function importPem(pem: string, kid: string, ...more: string[]): Promise<Result> {
  return cli.run(['keys', 'import', '--file', await writePem(pem), '--kid', kid, ...more]);
}

test('rotate publishes a key, says when it can sign, and lets it sign when it may', async () => {
  const before = await current();
  const first = await cli.run(['keys', 'rotate', '--alg', 'RS256', '--json']);
  assert.equal(first.code, 0, first.stderr);
  const [published] = (first.json() as { keys: (Listed & { ripeAt: string })[] }).keys;
  assert.ok(published);
  assert.equal(published.state, 'next');
  assert.ok(Date.parse(published.ripeAt) > Date.now() + 3_500_000);
  assert.ok(await becomesTrue(() => isPublished(published.kid), 10_000));

  const tooEarly = await cli.run(['keys', 'rotate', '--alg', 'RS256']);
  assert.equal(tooEarly.code, 0);
  assert.match(tooEarly.stdout, /is published\. It can take over from .*--now/s);
  assert.equal(await current(), before, 'copies of the JWKS without it are about');

  await age();
  const then = await cli.run(['keys', 'rotate', '--alg', 'RS256']);
  assert.match(then.stdout, new RegExp(`${published.kid} signs now; ${before} retires`));
  assert.ok(await becomesTrue(() => signsWith(published.kid), 10_000));
  assert.ok(await isPublished(before));
  const [event] = await cli.query(
    "SELECT data FROM outbox_events WHERE type = 'identity.jwks.rotated.v1'",
  );
  assert.deepEqual(event?.data, {
    alg: 'RS256',
    kid: published.kid,
    previousKid: before,
    reason: 'requested',
  });
});

test('rotate --now lets a new key of every algorithm sign, once all processes publish it', async () => {
  const before = await current();
  const rotated = await cli.run(['keys', 'rotate', '--now', '--json']);
  assert.equal(rotated.code, 0, rotated.stderr);
  const { keys } = rotated.json() as { keys: Listed[] };
  assert.deepEqual(keys.map(({ alg }) => alg).sort(), ['ES256', 'EdDSA', 'RS256']);
  assert.ok(keys.every(({ state }) => state === 'current'));
  assert.match(rotated.stderr, /waiting \d s until all processes do/);
  const after = await current();
  assert.notEqual(after, before);
  assert.ok(await isPublished(after), 'published before the command was done');
  assert.ok(await becomesTrue(() => signsWith(after), 10_000));
});

test('revoke takes a key out at once, and says what others may still believe', async () => {
  const kid = await current();
  const token = await issue();
  const revoked = await cli.run(['keys', 'revoke', kid, '--json']);
  assert.equal(revoked.code, 0, revoked.stderr);
  assert.equal((revoked.json() as { signing: string }).signing, await current());
  assert.match(revoked.stderr, /copy of the JWKS for 3600 s/);
  assert.ok(await becomesTrue(async () => !(await isPublished(kid)), 10_000));
  const bearer = { authorization: `Bearer ${token}` };
  assert.equal((await getJson(`${gatehouse.url}/userinfo`, bearer)).status, 401);
  const [row] = await cli.query('SELECT * FROM signing_keys WHERE kid = $1', [kid]);
  assert.equal(row?.private_sealed, null);
  const unknown = await cli.run(['keys', 'revoke', 'nobody']);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /Refused: there is no key nobody/);
  assert.ok(!hasStack(unknown));
});

test('no key of ours has a kid that a command line would take for an option', async () => {
  const keys = await Promise.all(Array.from({ length: 600 }, () => makeKey('EdDSA')));
  const kids = keys.map((key) => publicJwkOf(key, 'EdDSA').kid ?? '-');
  assert.deepEqual(
    kids.filter((kid) => kid.startsWith('-')),
    [],
  );
});

test('an imported kid that begins with a dash is revoked after --', async () => {
  assert.equal((await importPem(pkcs8(ec()), '-dashed')).code, 0);
  const revoked = await cli.run(['keys', 'revoke', '--', '-dashed']);
  assert.equal(revoked.code, 0, revoked.stderr);
  assert.match(revoked.stdout, /Revoked -dashed/);
});

const FORMS: [string, string, () => string][] = [
  ['RSA in PKCS#1, as of openssl genrsa -traditional', 'RS256', () => pkcs1(rsa())],
  ['RSA in PKCS#8, as of openssl genrsa', 'RS256', () => pkcs8(rsa(3_072))],
  ['EC P-256 in SEC 1, as of openssl ecparam -genkey', 'ES256', () => sec1(ec())],
  ['EC P-256 in PKCS#8', 'ES256', () => pkcs8(ec())],
  ['Ed25519 in PKCS#8, as of openssl genpkey', 'EdDSA', () => pkcs8(ed25519())],
];

for (const [form, alg, make] of FORMS) {
  test(`import takes ${form} under a kid of choice`, async () => {
    const pem = make();
    const kid = `imported/${files}:${alg}`;
    const imported = await importPem(pem, kid, '--alg', alg, '--json');
    assert.equal(imported.code, 0, imported.stderr);
    assert.ok(await becomesTrue(() => isPublished(kid), 10_000));
    const next = (await list(alg)).filter(({ state }) => state === 'next');
    assert.deepEqual(
      next.map((key) => key.kid),
      [kid],
      'one at a time is next',
    );
    assert.ok(!imported.all.includes(pem.split('\n')[1] ?? ''));
  });
}

test('import --state current lets the key sign, and the one before retires', async () => {
  const before = await current();
  const imported = await importPem(pkcs8(rsa()), '2019-main', '--state', 'current');
  assert.equal(imported.code, 0, imported.stderr);
  assert.match(imported.stdout, new RegExp(`It signs now; ${before} retires`));
  assert.ok(await becomesTrue(() => signsWith('2019-main'), 10_000));
  assert.equal((await list()).find(({ kid }) => kid === before)?.state, 'retiring');
});

test('import reads standard input', async () => {
  const stdin = pkcs8(ed25519());
  const args = ['keys', 'import', '--file', '-', '--kid', 'from-a-pipe'];
  assert.equal((await cli.run(args, { stdin })).code, 0);
});

const damaged = pkcs8(rsa()).replace(/\n[^\n]{20}/, '\nAAAAAAAAAAAAAAAAAAAA');
const encrypted = () =>
  rsa().export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString();
const publicPem = () =>
  generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
const REFUSED: [string, () => string, string[], RegExp][] = [
  ['RSA of 1024 bits', () => pkcs8(rsa(1_024)), [], /1024 bits: it must have between 2048/],
  ['RSA with the exponent 3', () => pkcs8(rsa(2_048, 3)), [], /public exponent 3/],
  ['another curve', () => pkcs8(ec('P-384')), [], /secp384r1 is not served/],
  ['the wrong algorithm', () => pkcs8(rsa()), ['--alg', 'ES256'], /is for RS256, not for ES256/],
  ['an encrypted key', encrypted, [], /encrypted: decrypt it first/],
  ['a public key', publicPem, [], /no private key in PEM form/],
  ['a damaged key', () => damaged, [], /cannot be read/],
  ['a key for encryption', () => pkcs8(generateKeyPairSync('x25519').privateKey), [], /not served/],
  [
    'an algorithm that is not configured',
    () => pkcs8(generateKeyPairSync('ml-dsa-44').privateKey),
    [],
    /not among SIGNING_ALGS_EXPERIMENTAL/,
  ],
];

for (const [what, make, more, reason] of REFUSED) {
  test(`import refuses ${what}, and says why`, async () => {
    const before = await cli.query('SELECT count(*) FROM signing_keys');
    const pem = make();
    const refused = await importPem(pem, 'refused', ...more);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, reason);
    assert.ok(!refused.all.includes(pem.split('\n')[1] ?? ''));
    assert.ok(!hasStack(refused));
    assert.deepEqual(await cli.query('SELECT count(*) FROM signing_keys'), before);
  });
}

test('import refuses a kid that is taken, and a key that is or was here, revoked ones too', async () => {
  const pem = pkcs8(rsa());
  assert.equal((await importPem(pem, 'once')).code, 0);
  assert.match((await importPem(pkcs8(rsa()), 'once')).stderr, /the kid is taken/);
  assert.match((await importPem(pem, 'twice')).stderr, /here already: its kid is once/);
  assert.equal((await cli.run(['keys', 'revoke', 'once'])).code, 0);
  assert.match((await importPem(pem, 'again')).stderr, /its kid is once \(gone\)/);
  assert.match((await importPem(pkcs8(rsa()), 'once')).stderr, /the kid is taken/);
  assert.match((await importPem(pkcs8(rsa()), 'a b')).stderr, /visible ASCII/);
  const missing = await cli.run(['keys', 'import', '--file', 'nothing.pem', '--kid', 'x']);
  assert.match(missing.stderr, /nothing\.pem cannot be read/);
  const state = await importPem(pkcs8(rsa()), 'x', '--state', 'gone');
  assert.equal(state.code, 2);
});

test('the list shows what each key is doing and since when', async () => {
  const text = await cli.run(['keys', 'list']);
  assert.match(text.stdout, /^STATE +ALG +KID +AGE +CREATED +SIGNS SINCE +RETIRED +GONE/);
  for (const state of ['current', 'retiring', 'gone']) {
    assert.match(text.stdout, new RegExp(`^${state} `, 'm'));
  }
});

test('an unknown algorithm is not understood', async () => {
  const refused = await cli.run(['keys', 'rotate', '--alg', 'none']);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /is not one of RS256, ES256, EdDSA/);
});

test('production does not start without a key-encryption key, and makes none', async () => {
  const env = {
    NODE_ENV: 'production',
    ISSUER: 'https://id.example.com',
    KEY_ENCRYPTION_KEY: undefined,
  };
  for (const args of [
    ['config', 'check'],
    ['keys', 'rotate'],
  ]) {
    const refused = await cli.run(args, { env });
    assert.equal(refused.code, 78);
    assert.match(refused.stderr, /KEY_ENCRYPTION_KEY_FILE .*is required in production/);
  }
  const { KEY_ENCRYPTION_KEY: _, ...without } = cli.env;
  await assert.rejects(
    startProcess({ ...without, ...env, KEY_ENCRYPTION_KEY: '', PORT: String(await freePort()) }),
    /ended before it was ready: 78\n.*KEY_ENCRYPTION_KEY_FILE/s,
  );
  await assert.rejects(stat(path.join(cli.dir, '.data', 'key-encryption-key')), /ENOENT/);
});
