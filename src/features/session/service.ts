import type { Knex } from 'knex';
import type pg from 'pg';
import type { Revocations } from '../../infra/revocations.ts';
import type { Sealer } from '../../infra/sealing.ts';
import type { Clock } from '../../kernel/clock.ts';
import { sha256 } from '../../kernel/crypto.ts';
import { currentRequest } from '../../kernel/current-request.ts';
import { eventRow } from '../../kernel/event-row.ts';
import type { Emit } from '../../kernel/events.ts';
import { isUuid, newId } from '../../kernel/ids.ts';
import { type Application, listApplications } from './applications.ts';
import { endApplication } from './end-application.ts';
import { createSessionEnding, type SessionEnding } from './ending.ts';
import { sessionEvents } from './events.ts';
import { type GivenGrant, listGrants } from './grants.ts';
import {
  findLive,
  inTransaction,
  listSessions,
  listSignIns,
  lockAllowedUser,
  lockUser,
  type NotedSignIn,
  onPool,
  recordSignIn,
  type SessionRecord,
  saveSession,
} from './repository.ts';
import { insertRevokedToken, isRevokedOnRecord } from './revocation-repository.ts';
import type {
  LiveSession,
  NewSession,
  SaveResult,
  Session,
  SessionSave,
  SessionStore,
  SignInNote,
} from './schema.ts';

export interface SessionDeps {
  knex: Knex;
  pool: pg.Pool;
  emit: Emit<Knex.Transaction>;
  clock: Clock;
  sealer: Sealer;
  revocations: Revocations;
  /** Told how many sessions of users have ended before their time; for metrics. */
  onEnded?(count: number): void;
  /** Told of back-channel logouts that were recorded, to send them soon. */
  onLogouts?(ids: readonly string[]): void;
}

export interface SessionService extends SessionStore, SessionEnding {
  /** The session of this id while it lives; an ended one is none at once, in every process. */
  findLive(id: string): Promise<LiveSession | undefined>;
  /** Live sessions of a user of this tenant, the one used last first; at most 200. */
  list(tenantId: string, userId: string): Promise<Session[]>;
  /**
   * Ends one access token until it would have expired; `exp` in seconds since the epoch.
   * @throws AppError IDENT_UNAVAILABLE when the revocation set cannot be written; the token is
   *   noted then, and calling again completes it
   */
  revokeToken(token: { jti: string; exp: number }): Promise<void>;
  /** Whether Postgres knows the session, grant or token as ended: the revocation set's source. */
  isRevokedOnRecord(ids: { sid?: string; jti?: string; grantId?: string }): Promise<boolean>;
  /** What a user allows which clients, as far as it holds now; at most 200. */
  listGrants(userId: string): Promise<GivenGrant[]>;
  /** Sign-ins of a user within the last 90 days, the newest first. */
  listSignIns(userId: string, limit: number): Promise<NotedSignIn[]>;
  /** The same by application, the one used last first. */
  listApplications(userId: string): Promise<Application[]>;
  /**
   * Takes back all that a user allows an application: its grants, refresh and access
   * tokens end, sessions go on without it, and it is told (Back-Channel Logout 1.0).
   * Called again, it completes what a first call began.
   * @returns false when it was allowed nothing, now or within the last hour
   */
  endApplication(which: { userId: string; clientId: string }): Promise<boolean>;
}

/** Longest user agent that is kept, in characters. */
const USER_AGENT_LENGTH = 512;

/** Milliseconds that a sign-in stays in the history of its user. */
const HISTORY_AGE = 90 * 24 * 3_600_000;

/** Associated data under which the cookie value of a session is sealed. */
export const sealedAs = (idHash: Buffer): string => `Session:${idHash.toString('hex')}`;

/** What the save changes, compared with what the request had read. */
function compare({ authorizations, base }: SessionSave) {
  if (!base) return { changed: authorizations, removed: [] };
  const changed = Object.entries(authorizations).filter(
    ([id, value]) => JSON.stringify(value) !== JSON.stringify(base.authorizations[id]),
  );
  return {
    changed: Object.fromEntries(changed),
    removed: Object.keys(base.authorizations).filter((id) => !Object.hasOwn(authorizations, id)),
  };
}

function toRecord({ sealer, clock }: SessionDeps, save: SessionSave): SessionRecord {
  if (!isUuid(save.uid)) throw new TypeError('the uid of a session must be a UUID');
  const idHash = sha256(save.id);
  const request = currentRequest();
  return {
    uid: save.uid,
    idHash,
    idSealed: sealer.seal(save.id, sealedAs(idHash)),
    renamedFrom: save.renamedFrom ?? null,
    userId: isUuid(save.accountId) ? save.accountId : null,
    payload: JSON.stringify(save.payload),
    authorizations: save.authorizations,
    ...compare(save),
    clientIp: request?.clientIp ?? null,
    userAgent: request?.userAgent?.slice(0, USER_AGENT_LENGTH) ?? null,
    now: new Date(clock.now()),
    expiresAt: save.expiresAt,
  };
}

/** Postgres: the user that the session is for is gone. */
const FOREIGN_KEY_VIOLATION = '23503';

const orEndedWithItsUser = (error: { code?: string }): SaveResult => {
  if (error.code === FOREIGN_KEY_VIOLATION) return 'ended';
  throw error;
};

/** Whether this save is of a sign-in: of another user than before, or of the same one anew. */
function isSignIn({ base, payload }: SessionSave, userId: string): boolean {
  if (base?.accountId !== userId) return true;
  return payload.loginTs !== base.loginTs;
}

/** What the history of a person keeps of a sign-in. */
const historyOf = (amr: string[], now: Date): SignInNote => ({
  id: newId(),
  amr,
  now,
  expiresAt: new Date(now.getTime() + HISTORY_AGE),
});

/**
 * A save by which somebody signs in: noted in their history, and where the session
 * gets a user, with its event; all in one transaction.
 */
function saveSignedIn(
  deps: SessionDeps,
  record: SessionRecord & { userId: string },
  save: SessionSave,
) {
  const { uid, userId } = record;
  return deps.knex.transaction(async (trx): Promise<SaveResult> => {
    const signedInAt = typeof save.payload.loginTs === 'number' ? save.payload.loginTs : null;
    const user = await lockAllowedUser(trx, userId, save.passwordSetAt ?? null, signedInAt);
    if (!user) return 'ended';
    const userBefore = await lockUser(trx, uid);
    const result = await saveSession(inTransaction(trx), record);
    if (result !== 'saved') return result;
    // Of a session that was not read before it is not known when its user signed in.
    const isNew = userBefore !== userId;
    if (!isNew && save.base === undefined) return result;
    await recordSignIn(trx, uid, historyOf(save.amr, record.now));
    if (!isNew) return result;
    const { facts, data } = beginning(uid, user, save.amr);
    await deps.emit(trx, sessionEvents.created, facts, data);
    return result;
  });
}

/** What the event of a new session says. */
const beginning = (
  uid: string,
  { id, tenantId }: { id: string; tenantId: string },
  amr: string[],
) => ({
  facts: { subject: uid, tenantId, actorId: id },
  data: { sessionId: uid, userId: id, amr },
});

function prepare(
  deps: SessionDeps,
  save: SessionSave,
  user: { id: string; tenantId: string },
): NewSession {
  const { authorizations, ...record } = toRecord(deps, save);
  const { facts, data } = beginning(record.uid, user, save.amr);
  return {
    ...record,
    userId: user.id,
    authorizations: JSON.stringify(authorizations),
    passwordSetAt: save.passwordSetAt ?? null,
    history: historyOf(save.amr, record.now),
    event: JSON.stringify(eventRow(deps.clock, sessionEvents.created, facts, data)),
  };
}

/**
 * Sessions of users: how they are saved, listed and ended. The engine decides
 * when a session is made and how long it lives; its adapter calls `save` and
 * `destroy`.
 *
 * A session that was ended is dead for good: its row stays a while, and a late
 * save of a request that had read it before answers `ended` (CVE-2025-29928).
 */
export function createSessionService(deps: SessionDeps): SessionService {
  return {
    ...createSessionEnding(deps),
    async save(save) {
      const record = toRecord(deps, save);
      const { userId } = record;
      const hasSignedIn = userId !== null && isSignIn(save, userId);
      const saving = hasSignedIn
        ? saveSignedIn(deps, { ...record, userId }, save)
        : saveSession(onPool(deps.pool), record);
      return saving.catch(orEndedWithItsUser);
    },
    prepare: (save, user) => prepare(deps, save, user),
    async revokeToken(token) {
      await insertRevokedToken(deps.knex, token.jti, new Date(token.exp * 1_000));
      await deps.revocations.revokeToken(token);
    },
    isRevokedOnRecord: (ids) => isRevokedOnRecord(deps.knex, ids),
    findLive: async (id) =>
      isUuid(id) ? findLive(deps.knex, id, new Date(deps.clock.now())) : undefined,
    async list(tenantId, userId) {
      if (!isUuid(tenantId) || !isUuid(userId)) return [];
      return listSessions(deps.knex, tenantId, userId, new Date(deps.clock.now()));
    },
    endApplication: (which) => endApplication(deps, which),
    listSignIns: async (userId, limit) =>
      isUuid(userId) ? listSignIns(deps.knex, userId, limit) : [],
    listApplications: (userId) => listApplications(deps, userId),
    listGrants: async (userId) =>
      isUuid(userId) ? listGrants(deps.knex, userId, new Date(deps.clock.now())) : [],
  };
}
