import type { Knex } from 'knex';
import type { Sealer } from './sealing.ts';

/** A column that holds sealed values. */
export interface SealedColumn {
  table: string;
  /** The primary key: a column that cannot be null. */
  key: string;
  column: string;
  /** SQL of the associated data that the values of a row are sealed with. */
  name: string;
}

/**
 * Every column that holds values sealed under the key-encryption key. What is
 * sealed in Redis is not here: it expires by itself, within hours.
 */
export const SEALED_COLUMNS: readonly SealedColumn[] = [
  {
    table: 'signing_keys',
    key: 'kid',
    column: 'private_sealed',
    name: `'signing_keys:' || kid`,
  },
  {
    table: 'server_secrets',
    key: 'id',
    column: 'sealed',
    name: `'server_secrets:' || purpose || ':' || id`,
  },
  {
    table: 'clients',
    key: 'client_id',
    column: 'secret_sealed',
    name: `'clients:' || client_id`,
  },
  {
    table: 'clients',
    key: 'client_id',
    column: 'previous_secret_sealed',
    name: `'clients:' || client_id`,
  },
  {
    table: 'sessions',
    key: 'id',
    column: 'id_sealed',
    name: `'Session:' || encode(id_hash, 'hex')`,
  },
  {
    table: 'former_addresses',
    key: 'id',
    column: 'sealed',
    name: `'former_addresses:' || id`,
  },
  {
    table: 'totp_authenticators',
    key: 'id',
    column: 'seed_sealed',
    name: `'totp_authenticators:' || id`,
  },
  {
    table: 'erasures',
    key: 'user_id',
    column: 'sealed',
    name: `'erasures:' || user_id`,
  },
  {
    table: 'configurations',
    key: 'id',
    column: 'credentials_sealed',
    name: `'configurations:' || id`,
  },
];

export interface Rewrapped {
  table: string;
  column: string;
  /** Values that were sealed anew. */
  moved: number;
  /** Values that none of the keys opens; they are as they were. */
  failed: number;
}

interface SealedRow {
  key: string;
  sealed: Buffer;
  name: string;
}

/** Rows that one statement reads at most. */
const BATCH = 500;

function reseal(sealer: Sealer, { sealed, name }: SealedRow): Buffer | undefined {
  try {
    return sealer.seal(sealer.open(sealed, name), name);
  } catch {
    return undefined;
  }
}

/**
 * The next rows, in the order of their keys, of which the column is sealed under
 * another key. An empty value was erased: there is nothing in it.
 */
const findRows = (
  { knex, sealer }: { knex: Knex; sealer: Sealer },
  { table, key, column, name }: SealedColumn,
  after: string | undefined,
): Promise<SealedRow[]> =>
  knex(table)
    .select({ key, sealed: column }, knex.raw(`${name} AS name`))
    .whereRaw('length(??) > 0 AND substring(?? FOR ?) <> ?', [
      column,
      column,
      sealer.prefix.length,
      sealer.prefix,
    ])
    .modify((query) => {
      if (after !== undefined) query.where(key, '>', after);
    })
    .orderBy(key)
    .limit(BATCH) as unknown as Promise<SealedRow[]>;

async function rewrapColumn(
  deps: { knex: Knex; sealer: Sealer },
  target: SealedColumn,
): Promise<Rewrapped> {
  const { table, key, column } = target;
  const result: Rewrapped = { table, column, moved: 0, failed: 0 };
  let after: string | undefined;
  for (;;) {
    const rows = await findRows(deps, target, after);
    for (const row of rows) {
      const sealed = reseal(deps.sealer, row);
      // Only if it still is what was read: a server may have written it since, which then holds.
      if (sealed) {
        result.moved += await deps
          .knex(table)
          .where({ [key]: row.key, [column]: row.sealed })
          .update({ [column]: sealed });
      } else result.failed += 1;
    }
    if (rows.length < BATCH) return result;
    after = rows.at(-1)?.key;
  }
}

/**
 * Seals everything anew that is not under the first key, while servers run. What
 * a value was sealed under is in the value: so this can be cut short and run
 * again at any time, and moves nothing twice.
 */
export async function rewrap(deps: { knex: Knex; sealer: Sealer }): Promise<Rewrapped[]> {
  const results: Rewrapped[] = [];
  for (const column of SEALED_COLUMNS) results.push(await rewrapColumn(deps, column));
  return results;
}
