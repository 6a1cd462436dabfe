import type { Knex } from 'knex';
import type { Revocations } from '../../infra/revocations.ts';
import type { Clock } from '../../kernel/clock.ts';
import { listEnded } from './grants.ts';
import { listRevokedTokens } from './revocation-repository.ts';

/** Entries of the revocation set that are restored at a time. */
const PAGE = 1_000;

/**
 * Fills the revocation set again from what has ended.
 * @param userId whose; of everybody unless given
 * @returns how many entries were written
 */
export async function restoreRevocations(
  { knex, clock, revocations }: { knex: Knex; clock: Clock; revocations: Revocations },
  userId?: string,
): Promise<number> {
  const life = revocations.maxTtl * 1000;
  const since = new Date(clock.now() - life);
  let total = 0;
  // Of single tokens it is not known whose they are.
  const kinds =
    userId === undefined ? (['sid', 'grant', 'jti'] as const) : (['sid', 'grant'] as const);
  for (const kind of kinds) {
    for (let after = ''; ; ) {
      const page =
        kind === 'jti'
          ? await listRevokedTokens(knex, { now: new Date(clock.now()), after, limit: PAGE })
          : await listEnded(knex, kind, { since, after, limit: PAGE, userId });
      // A single token is noted with its end, what ends many with the time that it ended.
      const rest = kind === 'jti' ? 0 : life;
      await revocations.revoke(
        page.map(({ id, at }) => ({ kind, id, ttl: (at.getTime() + rest - clock.now()) / 1000 })),
      );
      total += page.length;
      const last = page.at(-1);
      if (!last || page.length < PAGE) break;
      after = last.id;
    }
  }
  return total;
}
