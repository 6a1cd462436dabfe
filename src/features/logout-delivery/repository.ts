import type { Knex } from 'knex';
import { newId } from '../../kernel/ids.ts';
import type { Logout, LogoutFailure } from './schema.ts';

/** The part of an ended session that matters here. */
export interface EndedSession {
  id: string;
  user_id: string | null;
  tenant_id: string | null;
  /** By client id. */
  authorizations: Record<string, unknown>;
}

interface LogoutRow {
  id: string;
  session_id: string;
  client_id: string;
  user_id: string;
  attempts: number;
}

const toLogout = (row: LogoutRow): Logout => ({
  id: row.id,
  sessionId: row.session_id,
  clientId: row.client_id,
  userId: row.user_id,
  attempts: row.attempts,
});

/**
 * Those of the clients that may want to be told. One that is not registered
 * here may be known by a metadata document of its own; the delivery finds out.
 */
async function withReceivers(trx: Knex | Knex.Transaction, ids: string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const silent: string[] = await trx('clients')
    .whereIn('client_id', ids)
    .whereRaw("metadata ->> 'backchannel_logout_uri' IS NULL")
    .pluck('client_id');
  return new Set(ids.filter((id) => !silent.includes(id)));
}

/**
 * Notes, for each session, the clients that are to be told that it has ended.
 * Call it in the transaction that ends them.
 * @returns ids of the logouts, to be dispatched once that is committed
 */
export async function recordLogouts(
  trx: Knex | Knex.Transaction,
  sessions: readonly EndedSession[],
  now: Date,
): Promise<string[]> {
  const ids = [...new Set(sessions.flatMap(({ authorizations }) => Object.keys(authorizations)))];
  const told = await withReceivers(trx, ids);
  const rows = sessions.flatMap(({ id, user_id, tenant_id, authorizations }) =>
    user_id === null
      ? []
      : Object.keys(authorizations)
          .filter((clientId) => told.has(clientId))
          .map((client_id) => ({
            id: newId(),
            session_id: id,
            client_id,
            user_id,
            tenant_id,
            next_try_at: now,
            created_at: now,
          })),
  );
  if (rows.length > 0) await trx.batchInsert('backchannel_logouts', rows, 500);
  return rows.map(({ id }) => id);
}

/** Counts a try of a logout that is still owed. @returns undefined when it is settled */
export async function beginTry(
  knex: Knex,
  id: string,
  nextTryAt: (attempts: number) => Date,
): Promise<Logout | undefined> {
  return knex.transaction(async (trx) => {
    const row = await trx('backchannel_logouts')
      .where({ id, state: 'pending' })
      .forUpdate()
      .first();
    if (!row) return undefined;
    const attempts = row.attempts + 1;
    // Set before the try: where the process dies in it, the sweep knows when to come back.
    const next_try_at = nextTryAt(attempts);
    await trx('backchannel_logouts').where({ id }).update({ attempts, next_try_at });
    return toLogout({ ...row, attempts });
  });
}

/** Writes down what came of a try; `settledAt` null while it is to be tried again. */
export async function endTry(
  knex: Knex,
  id: string,
  end: {
    state: 'pending' | 'delivered' | 'failed';
    status: number | null;
    failure: LogoutFailure | null;
    settledAt: Date | null;
  },
): Promise<void> {
  await knex('backchannel_logouts').where({ id, state: 'pending' }).update({
    state: end.state,
    last_status: end.status,
    last_error: end.failure,
    settled_at: end.settledAt,
  });
}

/** Ids of logouts whose next try is due, in the order of ids, a page at a time. */
export const listDue = (
  knex: Knex,
  page: { now: Date; after: string; limit: number },
): Promise<string[]> =>
  knex('backchannel_logouts')
    .where({ state: 'pending' })
    .where('next_try_at', '<=', page.now)
    .where('id', '>', page.after)
    .orderBy('id')
    .limit(page.limit)
    .pluck('id');

/** Deletes logouts that were settled before a moment. @returns how many */
export async function deleteSettled(knex: Knex, before: Date, limit: number): Promise<number> {
  return knex('backchannel_logouts')
    .whereIn(
      'id',
      knex('backchannel_logouts')
        .where('settled_at', '<', before)
        .orderBy('settled_at')
        .limit(limit)
        .forUpdate()
        .skipLocked()
        .select('id'),
    )
    .delete();
}
