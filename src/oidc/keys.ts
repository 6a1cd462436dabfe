import { createHash, createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { Knex } from 'knex';
import type { Sealer } from '../infra/sealing.ts';
import type { Clock } from '../kernel/clock.ts';
import { findPublishedKeys, insertKey, type KeyRow, type KeyState } from './key-repository.ts';

const generate = promisify(generateKeyPair);

export const signingAlgs = ['RS256', 'ES256', 'EdDSA'] as const;
export type SigningAlg = (typeof signingAlgs)[number];

/** Any number, the same for every process: names the advisory lock of first creation. */
const LOCK = 4_283_649;

export interface SigningKey {
  kid: string;
  alg: SigningAlg;
  state: KeyState;
  publicJwk: Record<string, string>;
  privateKey: KeyObject;
  createdAt: Date;
  activatedAt: Date | null;
}

async function makeKeyPair(alg: SigningAlg): Promise<KeyObject> {
  switch (alg) {
    case 'RS256':
      return (await generate('rsa', { modulusLength: 2048 })).privateKey;
    case 'ES256':
      return (await generate('ec', { namedCurve: 'P-256' })).privateKey;
    case 'EdDSA':
      return (await generate('ed25519')).privateKey;
  }
}

/** The JWK thumbprint (RFC 7638) of a public key: its kid. */
function thumbprint(jwk: Record<string, string>): string {
  const members = {
    RSA: ['e', 'kty', 'n'],
    EC: ['crv', 'kty', 'x', 'y'],
    OKP: ['crv', 'kty', 'x'],
  }[jwk.kty as 'RSA' | 'EC' | 'OKP'];
  const canonical = JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]])));
  return createHash('sha256').update(canonical).digest('base64url');
}

/** The public half as published in the JWKS (RFC 7517 4). */
function publicJwkOf(privateKey: KeyObject, alg: SigningAlg): Record<string, string> {
  const {
    d: _d,
    p: _p,
    q: _q,
    dp: _dp,
    dq: _dq,
    qi: _qi,
    ...jwk
  } = privateKey.export({
    format: 'jwk',
  }) as Record<string, string>;
  return { ...jwk, kid: thumbprint(jwk), alg, use: 'sig' };
}

async function createKey(
  trx: Knex.Transaction,
  deps: { sealer: Sealer; clock: Clock },
  alg: SigningAlg,
): Promise<void> {
  const privateKey = await makeKeyPair(alg);
  const publicJwk = publicJwkOf(privateKey, alg);
  const kid = publicJwk.kid as string;
  const now = new Date(deps.clock.now());
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
  await insertKey(trx, {
    kid,
    alg,
    state: 'current',
    public_jwk: publicJwk,
    private_sealed: deps.sealer.seal(pkcs8, `signing_keys:${kid}`),
    created_at: now,
    activated_at: now,
    retired_at: null,
  });
}

/**
 * The published signing keys. Each algorithm that has no current key gets one,
 * once among all processes that start together.
 */
export async function loadSigningKeys(deps: {
  knex: Knex;
  sealer: Sealer;
  clock: Clock;
}): Promise<SigningKey[]> {
  const rows = await findPublishedKeys(deps.knex);
  if (missingAlgs(rows).length === 0) return rows.map((row) => openKey(row, deps.sealer));
  const complete = await deps.knex.transaction(async (trx) => {
    await trx.raw('SELECT pg_advisory_xact_lock(?)', [LOCK]);
    for (const alg of missingAlgs(await findPublishedKeys(trx))) await createKey(trx, deps, alg);
    return findPublishedKeys(trx);
  });
  return complete.map((row) => openKey(row, deps.sealer));
}

const missingAlgs = (rows: KeyRow[]): SigningAlg[] =>
  signingAlgs.filter((alg) => !rows.some((row) => row.state === 'current' && row.alg === alg));

function openKey(row: KeyRow, sealer: Sealer): SigningKey {
  if (!row.private_sealed) throw new Error(`signing key ${row.kid} has no private part`);
  const pkcs8 = sealer.open(row.private_sealed, `signing_keys:${row.kid}`);
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
