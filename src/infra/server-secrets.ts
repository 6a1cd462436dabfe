import { randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import type { Clock } from '../kernel/clock.ts';
import { newId } from '../kernel/ids.ts';
import type { Sealer } from './sealing.ts';

/** What a server secret is for; each purpose has keys of its own. */
export type SecretPurpose = 'cookies' | 'csrf' | 'dpop';

/** Bytes of a server secret: the block that HMAC-SHA-256 needs. */
const SECRET_BYTES = 32;

/** Any number, the same for every process: names the advisory lock of first creation. */
const LOCK = 4_283_648;

/**
 * The secrets of one purpose, newest first, made on the first call. The newest
 * signs, all verify, so that a new one can be added without a break.
 */
export async function loadServerSecrets(
  deps: { knex: Knex; sealer: Sealer; clock: Clock },
  purpose: SecretPurpose,
): Promise<Buffer[]> {
  const read = async (knex: Knex): Promise<Buffer[]> => {
    const rows = await knex('server_secrets')
      .where({ purpose })
      .orderBy('created_at', 'desc')
      .select('id', 'sealed');
    return rows.map((row) => deps.sealer.open(row.sealed, `server_secrets:${purpose}:${row.id}`));
  };
  const present = await read(deps.knex);
  if (present.length > 0) return present;
  return deps.knex.transaction(async (trx) => {
    await trx.raw('SELECT pg_advisory_xact_lock(?)', [LOCK]);
    const made = await read(trx);
    if (made.length > 0) return made;
    const id = newId();
    const secret = randomBytes(SECRET_BYTES);
    await trx('server_secrets').insert({
      id,
      purpose,
      sealed: deps.sealer.seal(secret, `server_secrets:${purpose}:${id}`),
      created_at: new Date(deps.clock.now()),
    });
    return [secret];
  });
}
