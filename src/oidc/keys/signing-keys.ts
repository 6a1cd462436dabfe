import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { Knex } from 'knex';
import type { Sealer } from '../../infra/sealing.ts';
import { findServerSecrets } from '../../infra/server-secrets.ts';
import type { Clock } from '../../kernel/clock.ts';
import { makeKey, publicJwkOf, type SigningAlg, standardAlgs } from './material.ts';
import {
  findPublishedKeys,
  insertKey,
  type KeyRow,
  type KeyState,
  lockKeys,
} from './repository.ts';

export type { SigningAlg } from './material.ts';

/** The algorithms that access tokens may be signed with. */
export const signingAlgs = standardAlgs;

export interface SigningKey {
  kid: string;
  alg: SigningAlg;
  state: KeyState;
  publicJwk: Record<string, string>;
  privateKey: KeyObject;
  createdAt: Date;
  activatedAt: Date | null;
}

/** Everything that a process signs with; the first of each kind signs, all verify. */
export interface KeySet {
  signing: SigningKey[];
  cookies: string[];
  csrf: Buffer[];
}

/** The keys as the database has them. */
export interface StoredKeys {
  /** Differs when any key, its state or its order does. */
  fingerprint: string;
  /** Unseals them. @throws when the key-encryption key is not the right one */
  open(): KeySet;
}

export interface KeyStoreDeps {
  knex: Knex;
  sealer: Sealer;
  clock: Clock;
}

const sealedAs = (kid: string): string => `signing_keys:${kid}`;

/** A row for a private key. @param kid default: its thumbprint */
export function toKeyRow(
  { sealer, clock }: Pick<KeyStoreDeps, 'sealer' | 'clock'>,
  key: { privateKey: KeyObject; alg: SigningAlg; kid?: string; state: 'next' | 'current' },
): KeyRow {
  const jwk = publicJwkOf(key.privateKey, key.alg, key.kid);
  const kid = jwk.kid as string;
  const now = new Date(clock.now());
  const pkcs8 = key.privateKey.export({ format: 'der', type: 'pkcs8' });
  return {
    kid,
    alg: key.alg,
    state: key.state,
    public_jwk: jwk,
    private_sealed: sealer.seal(pkcs8, sealedAs(kid)),
    created_at: now,
    activated_at: key.state === 'current' ? now : null,
    retired_at: null,
    gone_at: null,
  };
}

/** Makes a key and stores it. */
export async function createKey(
  trx: Knex.Transaction,
  deps: Pick<KeyStoreDeps, 'sealer' | 'clock'>,
  key: { alg: SigningAlg; state: 'next' | 'current' },
): Promise<KeyRow> {
  const row = toKeyRow(deps, { ...key, privateKey: await makeKey(key.alg) });
  await insertKey(trx, row);
  return row;
}

/**
 * The rows of the published keys. Each algorithm that has no current key gets
 * one, once among all processes that start together.
 */
async function readSigningKeys(deps: KeyStoreDeps, algs: readonly SigningAlg[]): Promise<KeyRow[]> {
  const missing = (rows: KeyRow[]): SigningAlg[] =>
    algs.filter((alg) => !rows.some((row) => row.state === 'current' && row.alg === alg));
  const rows = await findPublishedKeys(deps.knex);
  if (missing(rows).length === 0) return rows;
  return deps.knex.transaction(async (trx) => {
    await lockKeys(trx);
    for (const alg of missing(await findPublishedKeys(trx))) {
      await createKey(trx, deps, { alg, state: 'current' });
    }
    return findPublishedKeys(trx);
  });
}

/**
 * Reads what this process signs with; what is missing is made.
 * @param algs the algorithms that there must be a signing key for
 */
export async function readKeys(
  deps: KeyStoreDeps,
  algs: readonly SigningAlg[],
): Promise<StoredKeys> {
  const rows = await readSigningKeys(deps, algs);
  const cookies = await findServerSecrets(deps, 'cookies');
  const csrf = await findServerSecrets(deps, 'csrf');
  return {
    fingerprint: [
      ...rows.map(({ kid, state }) => `${kid}:${state}`),
      ...cookies.ids,
      ...csrf.ids,
    ].join(' '),
    open: () => ({
      signing: rows.map((row) => openKey(row, deps.sealer)),
      cookies: cookies.open().map((secret) => secret.toString('base64url')),
      csrf: csrf.open(),
    }),
  };
}

function openKey(row: KeyRow, sealer: Sealer): SigningKey {
  if (!row.private_sealed) throw new Error(`signing key ${row.kid} has no private part`);
  const pkcs8 = sealer.open(row.private_sealed, sealedAs(row.kid));
  return {
    kid: row.kid,
    alg: row.alg as SigningAlg,
    state: row.state,
    publicJwk: row.public_jwk,
    privateKey: createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }),
    createdAt: row.created_at,
    activatedAt: row.activated_at,
  };
}
