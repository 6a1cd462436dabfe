import type { Knex } from 'knex';

export const keyStates = ['next', 'current', 'retiring', 'gone'] as const;
export type KeyState = (typeof keyStates)[number];

export interface KeyRow {
  kid: string;
  alg: string;
  state: KeyState;
  public_jwk: Record<string, string>;
  private_sealed: Buffer | null;
  /** When it was made or imported, and published with that. */
  created_at: Date;
  /** When it began to sign. */
  activated_at: Date | null;
  /** When it ceased to sign. */
  retired_at: Date | null;
  /** When it was taken out of the JWKS. */
  gone_at: Date | null;
}

/** The channel on which the database tells that keys or secrets have changed (migration 0006). */
export const KEYS_CHANGED = 'gatehouse_keys';

/** Any number, the same for every process: names the advisory lock of all changes to keys. */
const LOCK = 4_283_649;

/** Lets one transaction at a time change keys, among all processes; held until its end. */
export async function lockKeys(trx: Knex.Transaction): Promise<void> {
  await trx.raw('SELECT pg_advisory_xact_lock(?)', [LOCK]);
}

/** Published keys: the current ones first, since the engine signs with the first that fits. */
export async function findPublishedKeys(knex: Knex): Promise<KeyRow[]> {
  return knex<KeyRow>('signing_keys')
    .whereNot('state', 'gone')
    .orderByRaw(
      `CASE state WHEN 'current' THEN 0 WHEN 'retiring' THEN 1 ELSE 2 END, created_at DESC, kid`,
    );
}

export const listKeys = (knex: Knex): Promise<KeyRow[]> =>
  knex<KeyRow>('signing_keys').orderBy([
    { column: 'created_at', order: 'desc' },
    { column: 'kid' },
  ]);

export async function insertKey(trx: Knex.Transaction, key: KeyRow): Promise<void> {
  await trx('signing_keys').insert({ ...key, public_jwk: JSON.stringify(key.public_jwk) });
}

export async function updateKey(
  trx: Knex.Transaction,
  kid: string,
  changes: Partial<Omit<KeyRow, 'kid' | 'public_jwk'>>,
): Promise<void> {
  await trx('signing_keys').where({ kid }).update(changes);
}
