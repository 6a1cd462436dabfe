import type { Knex } from 'knex';
import type { JobQueue } from '../../infra/queues.ts';
import type { Clock } from '../../kernel/clock.ts';
import { isUuid } from '../../kernel/ids.ts';
import { beginTry, deleteSettled, endTry, listDue, recordLogouts } from './repository.ts';
import type { Logout, LogoutAnswer, LogoutResult, SendLogout } from './schema.ts';

/** Logouts queued or deleted in one go. */
const BATCH = 500;

/** Milliseconds that a settled logout can still be looked up. */
const RETENTION = 7 * 24 * 3_600_000;

/** Requests to clients that one process has under way at once. */
const CONCURRENCY = 32;

/** The smallest id there is. */
const FIRST = '00000000-0000-0000-0000-000000000000';

export interface LogoutDeliveryDeps {
  knex: Knex;
  clock: Clock;
  /** One job for each logout, its id that of the row. */
  queue: JobQueue<{ id: string }>;
  send: SendLogout;
  /** Tries before a logout is given up. */
  attempts: number;
  /** Milliseconds before the second try; each pause is twice the last. */
  backoff: number;
  /** Told what came of each try. */
  onResult(result: LogoutResult, logout: Logout, answer: LogoutAnswer): void;
  /** Told of a logout that could not be queued: the sweep will queue it. */
  onError(error: unknown): void;
}

export type LogoutDelivery = ReturnType<typeof createLogoutDelivery>;

/** A try that did not succeed; makes the queue try again. */
class NotDeliveredError extends Error {
  override readonly name = 'NotDeliveredError';
}

const INTERNAL = { isDelivered: false, failure: 'internal', isPermanent: false } as const;

async function deliver(deps: LogoutDeliveryDeps, id: string): Promise<void> {
  const { knex, clock, attempts, backoff } = deps;
  const logout = await beginTry(
    knex,
    id,
    (count) => new Date(clock.now() + backoff * 2 ** (count - 1)),
  );
  if (!logout) return;
  const answer = await deps
    .send(logout)
    .catch((cause: unknown): LogoutAnswer => ({ ...INTERNAL, cause }));
  const isLast = !answer.isDelivered && (answer.isPermanent || logout.attempts >= attempts);
  const state = answer.isDelivered ? 'delivered' : isLast ? 'failed' : 'pending';
  await endTry(knex, id, {
    state,
    status: answer.status ?? null,
    failure: answer.isDelivered ? null : answer.failure,
    settledAt: state === 'pending' ? null : new Date(clock.now()),
  });
  deps.onResult(state === 'pending' ? 'retried' : state, logout, answer);
  if (state === 'pending') throw new NotDeliveredError(`client ${logout.clientId} was not told`);
}

/**
 * Delivers what `recordLogouts` wrote down: a job for each, tried again with
 * growing pauses. At least once; a client that is told twice finds the session
 * gone already.
 */
export function createLogoutDelivery(deps: LogoutDeliveryDeps) {
  const { knex, clock, queue } = deps;

  /** Queues logouts that are committed, without waiting; what fails here the sweep makes good. */
  function dispatch(ids: readonly string[]): void {
    for (const id of ids) queue.add(id, { id }).catch(deps.onError);
  }

  return {
    dispatch,

    /** Logs a person out of one client of a session that goes on. */
    async endAtClient(logout: { sessionId: string; clientId: string; userId: string }) {
      if (!isUuid(logout.sessionId) || !isUuid(logout.userId)) return;
      const session = {
        id: logout.sessionId,
        user_id: logout.userId,
        tenant_id: null,
        authorizations: { [logout.clientId]: {} },
      };
      dispatch(await recordLogouts(knex, [session], new Date(clock.now())));
    },

    /** Works the queue off in this process. */
    consume(): void {
      queue.consume(({ id }) => deliver(deps, id), { concurrency: CONCURRENCY });
    },

    /**
     * Queues again what is due: the queue may have been down at the commit, or
     * lost its jobs since. A job that is still there stays as it is.
     * @returns how many are due
     */
    async sweep(): Promise<number> {
      const now = new Date(clock.now());
      let total = 0;
      for (let after = FIRST; ; ) {
        const ids = await listDue(knex, { now, after, limit: BATCH });
        await Promise.all(ids.map((id) => queue.add(id, { id })));
        total += ids.length;
        after = ids.at(-1) ?? after;
        if (ids.length < BATCH) return total;
      }
    },

    /** Deletes what was settled long ago. @returns how many */
    purge: (): Promise<number> =>
      deleteSettled(knex, new Date(clock.now() - RETENTION), BATCH * 10),
  };
}
