import { randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import type { Clock } from '../kernel/clock.ts';
import { newId } from '../kernel/ids.ts';
import type { Sealer } from './sealing.ts';

/** What a server secret is for; each purpose has keys of its own. */
export type SecretPurpose =
  | 'cookies'
  | 'csrf'
  | 'pairwise'
  | 'dpop'
  | 'request-objects'
  | 'lookups'
  | 'devices'
  | 'mfa-challenges';

/** Purposes whose secrets rotate. */
const ROTATING: readonly SecretPurpose[] = ['cookies', 'csrf'];

/** Bytes of a server secret: the block that HMAC-SHA-256 needs. */
const SECRET_BYTES = 32;

/**
 * Milliseconds that a new secret only verifies before it signs, so that every
 * process knows it by then: otherwise one would refuse what another has signed.
 */
const KNOWN_EVERYWHERE = 60_000;

/** Any number, the same for every process: names the advisory lock of all changes to secrets. */
const LOCK = 4_283_648;

export interface SecretDeps {
  knex: Knex;
  sealer: Sealer;
  clock: Clock;
}

interface SecretRow {
  id: string;
  purpose: SecretPurpose;
  sealed: Buffer;
  created_at: Date;
}

/** The secrets of one purpose: the one that signs first, then the others, which only verify. */
export interface StoredSecrets {
  ids: string[];
  /** @throws when the key-encryption key is not the right one */
  open(): Buffer[];
}

/** The newest that is known everywhere signs; while there is none, the oldest. */
function inOrder(newestFirst: SecretRow[], now: number): SecretRow[] {
  const known = now - KNOWN_EVERYWHERE;
  const signing =
    newestFirst.find((row) => row.created_at.getTime() <= known) ?? newestFirst.at(-1);
  return signing ? [signing, ...newestFirst.filter((row) => row !== signing)] : [];
}

const readSecrets = (knex: Knex, purpose: SecretPurpose): Promise<SecretRow[]> =>
  knex<SecretRow>('server_secrets')
    .where({ purpose })
    .orderBy([
      { column: 'created_at', order: 'desc' },
      { column: 'id', order: 'desc' },
    ]);

async function insertSecret(
  trx: Knex.Transaction,
  { sealer, clock }: SecretDeps,
  purpose: SecretPurpose,
): Promise<void> {
  const id = newId();
  await trx('server_secrets').insert({
    id,
    purpose,
    sealed: sealer.seal(randomBytes(SECRET_BYTES), `server_secrets:${purpose}:${id}`),
    created_at: new Date(clock.now()),
  });
}

const lock = (trx: Knex.Transaction) => trx.raw('SELECT pg_advisory_xact_lock(?)', [LOCK]);

/** The secrets of one purpose; the first is made on the first call, once among all processes. */
export async function findServerSecrets(
  deps: SecretDeps,
  purpose: SecretPurpose,
): Promise<StoredSecrets> {
  let rows = await readSecrets(deps.knex, purpose);
  if (rows.length === 0) {
    rows = await deps.knex.transaction(async (trx) => {
      await lock(trx);
      if ((await readSecrets(trx, purpose)).length === 0) await insertSecret(trx, deps, purpose);
      return readSecrets(trx, purpose);
    });
  }
  const ordered = inOrder(rows, deps.clock.now());
  return {
    ids: ordered.map(({ id }) => id),
    open: () =>
      ordered.map(({ id, sealed }) => deps.sealer.open(sealed, `server_secrets:${purpose}:${id}`)),
  };
}

/** The secrets of one purpose, the one that signs first. */
export const loadServerSecrets = async (
  deps: SecretDeps,
  purpose: SecretPurpose,
): Promise<Buffer[]> => (await findServerSecrets(deps, purpose)).open();

/** How long server secrets are used; both in seconds. */
export interface SecretLife {
  /** A secret of this age gets a successor; 0: none ever does. */
  interval: number;
  /** What a secret has signed is taken for so long after its successor began to sign. */
  keep: number;
}

/** What is due: whether a successor is, and the ids of those that nothing needs any more. */
function plan(newestFirst: SecretRow[], life: SecretLife, now: number) {
  const ageOf = (row: SecretRow): number => now - row.created_at.getTime();
  const [newest] = newestFirst;
  const settled = KNOWN_EVERYWHERE + life.keep * 1_000;
  const last = newestFirst.findIndex((row) => ageOf(row) >= settled);
  return {
    isDue: life.interval > 0 && newest !== undefined && ageOf(newest) >= life.interval * 1_000,
    spent: last === -1 ? [] : newestFirst.slice(last + 1).map(({ id }) => id),
  };
}

/**
 * Adds a secret where the newest is old, and drops those whose signatures have
 * all expired; once among processes that do so at the same time.
 * @returns how many were added or dropped
 */
export async function rotateServerSecrets(deps: SecretDeps, life: SecretLife): Promise<number> {
  let changes = 0;
  for (const purpose of ROTATING) {
    const { isDue, spent } = plan(await readSecrets(deps.knex, purpose), life, deps.clock.now());
    if (!isDue && spent.length === 0) continue;
    await deps.knex.transaction(async (trx) => {
      await lock(trx);
      const due = plan(await readSecrets(trx, purpose), life, deps.clock.now());
      if (due.isDue) await insertSecret(trx, deps, purpose);
      await trx('server_secrets').whereIn('id', due.spent).delete();
      changes += Number(due.isDue) + due.spent.length;
    });
  }
  return changes;
}
