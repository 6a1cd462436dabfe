import type pg from 'pg';
import type { Clock } from '../../kernel/clock.ts';

/** Tables with an `expires_at` and what identifies their rows. */
const TABLES = [
  'oidc_refresh_tokens',
  'oidc_refresh_successors',
  'oidc_grants',
  'sessions',
  'oidc_registration_tokens',
  'initial_access_tokens',
  'one_time_links',
  'former_addresses',
  'known_browsers',
  'revoked_tokens',
  'sign_ins',
] as const;

/**
 * Deletes what has expired: at most `batch` rows of each table, so that no
 * statement holds many locks. Any number of workers may run it at once: rows
 * that another one is deleting are skipped. Call it again while the answer is
 * not 0.
 * @returns how many rows went
 */
export async function purgeExpired(
  { pool, clock }: { pool: pg.Pool; clock: Clock },
  { batch }: { batch: number },
): Promise<number> {
  let total = 0;
  for (const table of TABLES) {
    const { rowCount } = await pool.query(
      `DELETE FROM ${table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM ${table}
        WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))`,
      [new Date(clock.now()), batch],
    );
    total += rowCount ?? 0;
  }
  return total;
}
