import type { Knex } from 'knex';
import type { Revocation, Revocations } from '../../infra/revocations.ts';
import type { Clock } from '../../kernel/clock.ts';
import { sha256 } from '../../kernel/crypto.ts';
import type { Emit } from '../../kernel/events.ts';
import { isUuid } from '../../kernel/ids.ts';
import { recordLogouts } from '../logout-delivery/index.ts';
import { type EndReason, sessionEvents } from './events.ts';
import { authorizedGrants, grantsOf, grantsOfUser, markReplayed, revokeGrants } from './grants.ts';
import {
  type EndedSession,
  endSessions,
  findEnded,
  refuseSignInsBefore,
  type SessionFilter,
} from './repository.ts';
import { restoreRevocations } from './restore.ts';

/** The facts of a refresh token that was used a second time. */
export interface ReplayedToken {
  grantId?: string | undefined;
  sessionUid?: string | undefined;
  accountId?: string | undefined;
}

/**
 * The ways in which sessions end. Each ends, in one transaction with its events,
 * the session with its grants and refresh tokens, notes the clients that are to
 * be told, and then names what ended in the revocation set, which reaches the
 * access tokens that are out.
 * All throw IDENT_UNAVAILABLE when the set cannot be written: the session has
 * ended then, only its access tokens may live on; calling again, or
 * `restoreRevocations`, completes it.
 */
export interface SessionEnding {
  /** Logout by the engine, which has revoked the grants that end with it. */
  destroy(id: string): Promise<void>;
  /** Ends one session of a user of this tenant. @returns false when there is no such live session */
  end(which: {
    tenantId: string;
    userId: string;
    sessionId: string;
    reason: EndReason;
  }): Promise<boolean>;
  /**
   * Ends all sessions of a user and revokes all grants, those without a session
   * too; what belongs to the session `except` stays. A sign-in that was made before
   * and whose last step was kept back begins none any more.
   * @returns how many sessions ended
   */
  endAllOf(
    userId: string,
    how: { except?: string | undefined; reason: EndReason },
  ): Promise<number>;
  /**
   * `endAllOf` inside the caller's transaction, for a change that must not be without it.
   * @returns what completes it, to be called once that is committed
   */
  endAllWithin(
    trx: Knex.Transaction,
    userId: string,
    how: { except?: string | undefined; reason: EndReason },
  ): Promise<() => Promise<number>>;
  /**
   * A refresh token was used twice: somebody else may hold it. Ends its session
   * and grant (RFC 9700 4.14.2). Told of one grant many times, it reports one incident.
   */
  replayDetected(token: ReplayedToken): Promise<void>;
  /**
   * Fills the revocation set again from the database, after Redis was down or
   * lost its data: all of it, or what a process that died had not written of one
   * user. @returns how many entries were written
   */
  restoreRevocations(userId?: string): Promise<number>;
}

export interface EndingDeps {
  knex: Knex;
  emit: Emit<Knex.Transaction>;
  clock: Clock;
  revocations: Revocations;
  /** Told how many sessions of users have ended, once that is committed; for metrics. */
  onEnded?(count: number): void;
  /** Told of back-channel logouts that were recorded, once that is committed, to send them soon. */
  onLogouts?(ids: readonly string[]): void;
}

/** What a transaction has ended. */
interface Ended {
  sessions: EndedSession[];
  grantIds: string[];
  /** Back-channel logouts that clients are owed for it. */
  logouts: string[];
}

/** Tells of what a committed transaction has ended. */
export function tellEnded(
  { onEnded, onLogouts }: EndingDeps,
  { sessions, logouts }: Pick<Ended, 'sessions' | 'logouts'>,
): void {
  const count = sessions.filter(({ user_id }) => user_id !== null).length;
  if (count > 0) onEnded?.(count);
  if (logouts.length > 0) onLogouts?.(logouts);
}

/** Milliseconds that an ended row stays at least; no request lasts that long. */
const TOMBSTONE = 3_600_000;

export const toEntries = (
  sessions: readonly { id: string }[],
  grantIds: readonly string[],
): Revocation[] => [
  ...sessions.map(({ id }) => ({ kind: 'sid' as const, id })),
  ...grantIds.map((id) => ({ kind: 'grant' as const, id })),
];

/** Whether tokens of this session were made to outlive a logout (`offline_access`). */
const outlivesLogout = ({ authorizations }: EndedSession): boolean =>
  Object.values(authorizations).some(({ persistsLogout }) => persistsLogout === true);

/** When rows that end now may go: access tokens that name them have expired by then. */
export function endingNow({ clock, revocations }: EndingDeps) {
  const now = clock.now();
  const keep = Math.max(TOMBSTONE, revocations.maxTtl * 1000);
  return { now: new Date(now), keepUntil: new Date(now + keep) };
}

async function emitEnded(
  { emit }: EndingDeps,
  trx: Knex.Transaction,
  sessions: readonly EndedSession[],
  reason: EndReason,
): Promise<void> {
  for (const { id, user_id: userId, tenant_id: tenantId } of sessions) {
    if (userId === null) continue;
    const data = { sessionId: id, userId };
    await emit(trx, sessionEvents.revoked, { subject: id, tenantId }, { ...data, reason });
    if (reason !== 'logout' && reason !== 'logout_all') continue;
    await emit(trx, sessionEvents.loggedOut, { subject: userId, tenantId, actorId: userId }, data);
  }
}

/** Ends sessions with all they hold and the grants named, inside a transaction. */
async function endWithGrants(
  deps: EndingDeps,
  trx: Knex.Transaction,
  filter: SessionFilter,
  options: { reason: EndReason; grantIds: readonly string[] },
): Promise<Ended> {
  const at = endingNow(deps);
  const sessions = await endSessions(trx, filter, { ...at, reason: options.reason });
  const grantIds = [...new Set([...(await grantsOf(trx, sessions)), ...options.grantIds])].sort();
  await revokeGrants(
    trx,
    grantIds,
    sessions.map(({ id }) => id),
    at,
  );
  await emitEnded(deps, trx, sessions, options.reason);
  return { sessions, grantIds, logouts: await recordLogouts(trx, sessions, at.now) };
}

async function replayDetected(deps: EndingDeps, token: ReplayedToken): Promise<void> {
  const { grantId, sessionUid, accountId } = token;
  if (!grantId) return;
  const ended = await deps.knex.transaction(async (trx) => {
    const reason = 'refresh_replay';
    const { sessions, grantIds, logouts } =
      isUuid(sessionUid) && isUuid(accountId)
        ? await endWithGrants(
            deps,
            trx,
            { id: sessionUid, userId: accountId },
            { reason, grantIds: [grantId] },
          )
        : { sessions: [], grantIds: [grantId], logouts: [] };
    if (sessions.length === 0) await revokeGrants(trx, grantIds, [], endingNow(deps));
    const grant = await markReplayed(trx, grantId, new Date(deps.clock.now()));
    if (grant?.user_id) {
      const { user_id: userId, tenant_id: tenantId, client_id: clientId } = grant;
      await deps.emit(
        trx,
        sessionEvents.securityIncident,
        { subject: userId, tenantId, actorId: null },
        {
          userId,
          kind: 'refresh_replay',
          clientId,
          sessionId: isUuid(sessionUid) ? sessionUid : null,
        },
      );
    }
    return { sessions, grantIds, logouts };
  });
  tellEnded(deps, ended);
  await deps.revocations.revoke(toEntries(ended.sessions, ended.grantIds));
}

/** Ends all of a user; see SessionEnding. */
async function endAllWithin(
  deps: EndingDeps,
  trx: Knex.Transaction,
  userId: string,
  { except, reason }: { except?: string | undefined; reason: EndReason },
): Promise<() => Promise<number>> {
  const exceptId = isUuid(except) ? except : undefined;
  // Before the sessions, as whoever begins one locks the user first.
  await refuseSignInsBefore(trx, userId, Math.floor(deps.clock.now() / 1_000));
  const grantIds = await grantsOfUser(trx, userId, exceptId);
  const ended = await endWithGrants(deps, trx, { userId, exceptId }, { reason, grantIds });
  return async () => {
    tellEnded(deps, ended);
    await deps.revocations.revoke(toEntries(ended.sessions, ended.grantIds));
    return ended.sessions.length;
  };
}

/** The part of the session service that ends sessions; see SessionEnding. */
export function createSessionEnding(deps: EndingDeps): SessionEnding {
  const { knex, revocations } = deps;
  return {
    async destroy(id) {
      const reason = 'logout';
      const at = endingNow(deps);
      const ended = await knex.transaction(async (trx) => {
        const sessions = await endSessions(trx, { idHash: sha256(id) }, { ...at, reason });
        await emitEnded(deps, trx, sessions, reason);
        return { sessions, logouts: await recordLogouts(trx, sessions, at.now) };
      });
      tellEnded(deps, ended);
      // Access tokens name their session. Where some were made to outlive a logout, naming it
      // here would end those too; the others end by their grant, which the engine has revoked.
      const dead = ended.sessions.filter((session) => session.user_id && !outlivesLogout(session));
      await revocations.revoke(toEntries(dead, []));
    },
    async end({ tenantId, userId, sessionId, reason }) {
      if (![tenantId, userId, sessionId].every(isUuid)) return false;
      const filter = { id: sessionId, userId, tenantId };
      const ended = await knex.transaction((trx) =>
        endWithGrants(deps, trx, filter, { reason, grantIds: [] }),
      );
      tellEnded(deps, ended);
      const before = ended.sessions.length === 0 ? await findEnded(knex, filter) : undefined;
      await revocations.revoke(
        before
          ? toEntries([before], authorizedGrants(before))
          : toEntries(ended.sessions, ended.grantIds),
      );
      return ended.sessions.length > 0;
    },
    async endAllOf(userId, how) {
      if (!isUuid(userId)) return 0;
      const complete = await knex.transaction((trx) => endAllWithin(deps, trx, userId, how));
      return complete();
    },
    endAllWithin: (trx, userId, how) => endAllWithin(deps, trx, userId, how),
    replayDetected: (token) => replayDetected(deps, token),
    restoreRevocations: (userId) => restoreRevocations(deps, userId),
  };
}
