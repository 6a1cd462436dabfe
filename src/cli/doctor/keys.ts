import { existsSync, statSync } from 'node:fs';
import type { Knex } from 'knex';
import type { Config } from '../../config.ts';
import { DEVELOPMENT_KEY_FILE, loadSealer } from '../../infra/key-encryption-key.ts';
import type { Sealer } from '../../infra/sealing.ts';
import { type KeyRow, listKeys } from '../../oidc/keys/repository.ts';
import { reasonOf } from '../errors.ts';
import { span } from '../output.ts';
import { about, type Finding } from './finding.ts';

/** Permission bits of everybody but the owner. */
const OTHERS = 0o077;

/** Seconds after which a key that should have been replaced says that nobody does it. */
const OVERDUE = 2 * 86_400;

/** Whether the setting is left to a file that does not exist before the first start. */
const isMadeAtStart = (config: Config): boolean =>
  !config.isProduction &&
  !config.KEY_ENCRYPTION_KEY &&
  !config.KEY_ENCRYPTION_KEY_FILE &&
  !existsSync(DEVELOPMENT_KEY_FILE);

function checkPermissions(config: Config): Finding[] {
  if (config.KEY_ENCRYPTION_KEY) return [];
  const { ok, warn } = about('key file');
  const file = config.KEY_ENCRYPTION_KEY_FILE ?? DEVELOPMENT_KEY_FILE;
  const mode = statSync(file).mode & 0o777;
  const found = `${file}, mode ${mode.toString(8).padStart(3, '0')}`;
  if ((mode & OTHERS) === 0) return [ok(found)];
  const advice = `Others may read it: chmod 600 ${file} (a mount in a container may stay so).`;
  return [warn(found, advice)];
}

/** The key-encryption key by itself. @returns findings, and a sealer if there is a key */
function checkKeyEncryptionKey(config: Config): { findings: Finding[]; sealer?: Sealer } {
  const { ok, info, fail } = about('key-encryption key');
  if (isMadeAtStart(config)) {
    return { findings: [info(`none yet; the first start makes ${DEVELOPMENT_KEY_FILE}`)] };
  }
  try {
    const sealer = loadSealer(config);
    return { findings: [ok(`present, id ${sealer.keyId}`), ...checkPermissions(config)], sealer };
  } catch (error) {
    const advice = 'Restore it from its backup; for a new installation: openssl rand -base64 32';
    return { findings: [fail(reasonOf(error), advice)] };
  }
}

function opens(sealer: Sealer, sealed: Buffer, name: string): boolean {
  try {
    sealer.open(sealed, name);
    return true;
  } catch {
    return false;
  }
}

/** Tries the key on all that is sealed and always there: signing keys and server secrets. */
async function checkSealed(knex: Knex, sealer: Sealer, keys: KeyRow[]): Promise<Finding> {
  const { ok, info, warn, fail } = about('sealed values');
  const secrets = await knex('server_secrets').select('id', 'purpose', 'sealed');
  const values: [Buffer, string][] = [
    ...keys.flatMap(({ kid, private_sealed: sealed }): [Buffer, string][] =>
      sealed ? [[sealed, `signing_keys:${kid}`]] : [],
    ),
    ...secrets.map(({ id, purpose, sealed }): [Buffer, string] => [
      sealed,
      `server_secrets:${purpose}:${id}`,
    ]),
  ];
  if (values.length === 0) return info('none yet; the first start makes them');
  const broken = values.filter(([sealed, name]) => !opens(sealer, sealed, name));
  if (broken.length > 0) {
    return fail(
      `the key-encryption key does not open ${broken.length} of ${values.length}`,
      'Set the key that sealed them. If it is lost, see "keys" in docs/operations.md.',
    );
  }
  const elsewhere = values.filter(
    ([sealed]) => !sealed.subarray(0, sealer.prefix.length).equals(sealer.prefix),
  );
  if (elsewhere.length === 0) return ok(`the key-encryption key opens all ${values.length}`);
  const found = `${elsewhere.length} of ${values.length} are under KEY_ENCRYPTION_KEY_OTHER`;
  return warn(found, 'Move them to the key-encryption key: gatehouse keys rewrap');
}

function checkSigningKeys(keys: KeyRow[], config: Config): Finding {
  const { ok, info, warn, fail } = about('signing keys');
  const current = keys.filter(({ state }) => state === 'current');
  if (keys.length === 0) return info('none yet; the first start makes them');
  const main = current.find(({ alg }) => alg === config.SIGNING_ALG);
  if (!main) {
    const advice = 'Start the service: it makes a key for every algorithm that lacks one.';
    return fail(`no current key for SIGNING_ALG ${config.SIGNING_ALG}`, advice);
  }
  const age = (row: KeyRow): number =>
    (Date.now() - (row.activated_at ?? row.created_at).getTime()) / 1000;
  const found = current.map((row) => `${row.alg} for ${span(age(row))}`).join(', ');
  const { KEY_ROTATION_INTERVAL: interval } = config;
  if (interval > 0 && age(main) > interval + OVERDUE) {
    const advice = 'Background work rotates them: a process of RUN_MODE all or worker must run.';
    return warn(`${found}: older than KEY_ROTATION_INTERVAL`, advice);
  }
  return ok(found);
}

/** The key-encryption key and what it seals; `knex` is undefined while the database is down. */
export async function checkKeys(config: Config, knex: Knex | undefined): Promise<Finding[]> {
  const { findings, sealer } = checkKeyEncryptionKey(config);
  if (!knex) return findings;
  try {
    const keys = await listKeys(knex);
    if (sealer) findings.push(await checkSealed(knex, sealer, keys));
    return [...findings, checkSigningKeys(keys, config)];
  } catch (error) {
    const { info, fail } = about('signing keys');
    // Postgres: there is no such table; the check of migrations tells what to do.
    const isTooEarly = (error as { code?: string }).code === '42P01';
    const finding = isTooEarly ? info('none yet; migrations come first') : fail(reasonOf(error));
    return [...findings, finding];
  }
}
