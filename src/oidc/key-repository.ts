import type { Knex } from 'knex';

export const keyStates = ['next', 'current', 'retiring', 'gone'] as const;
export type KeyState = (typeof keyStates)[number];

export interface KeyRow {
  kid: string;
  alg: string;
  state: KeyState;
  public_jwk: Record<string, string>;
  private_sealed: Buffer | null;
  created_at: Date;
  activated_at: Date | null;
  retired_at: Date | null;
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
  knex<KeyRow>('signing_keys').orderBy('created_at', 'desc');

export async function insertKey(trx: Knex.Transaction, key: KeyRow): Promise<void> {
  await trx('signing_keys').insert({ ...key, public_jwk: JSON.stringify(key.public_jwk) });
}
