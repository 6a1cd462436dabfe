import { AsyncLocalStorage } from 'node:async_hooks';
import type { NewSession, SessionBase } from '../../features/session/index.ts';
import type { User } from '../../features/user/index.ts';

/** A user with every tenant it belongs to: what `findAccount` of the engine needs. */
export interface AccountFacts {
  user: User;
  tenantIds: string[];
}

/** A row that was read together with another, as JSON; null: it is known that there is none. */
export type Parked = string | null;

/** A live session's row; `id` is the sealed cookie value. */
export interface SessionRow {
  uid: string;
  idHash: Buffer;
  idSealed: Buffer;
  payload: string;
  authorizations: string;
}

/** Work put off to be fused with what follows; done at the latest when the request ends. */
export type Deferred = 'refresh-consume' | 'session-end' | 'first-tokens';

/** What one request has read and still has to write. Never outlives it. */
export interface RequestCache {
  readonly grants: Map<string, Parked>;
  readonly sessions: Map<string, SessionRow | null>;
  readonly users: Map<string, { account: string; tenantIds: string[] } | AccountFacts>;
  /** User id → when the password was set that the sign-in of this request has proved. */
  readonly proofs: Map<string, string>;
  /** What the first tokens of a person are made of, until they are written together. */
  first?: FirstTokens | undefined;
  /** Grant id → session uid and the reverse, from artefacts read so far: what to read together. */
  readonly links: Map<string, GrantLink>;
  /** Session uid → the session as it was read: what a later save is compared with. */
  readonly bases: Map<string, SessionBase>;
  /** Hash (hex) of a session's id → its uid; of a refresh token's → its grant id. */
  readonly owners: Map<string, string>;
  /** The refresh token that awaits its successor. */
  consuming?: Consuming | undefined;
  /** Set while a refresh is served that may be a repeated one. */
  reuse?: Reuse | undefined;
  /** The session id that is destroyed or, if a save of the same uid follows, renamed. */
  ending?: { hash: Buffer; uid: string } | undefined;
  readonly deferred: Map<Deferred, () => Promise<void>>;
  isClosed: boolean;
}

/** A refresh token at its one use: bearer value, hash (hex), grant, and when that is. */
export interface Consuming {
  id: string;
  hash: string;
  grantId: string | undefined;
  at: Date;
}

/** What a repeated use of a refresh token may be given. */
export interface Reuse {
  /** Seconds after its first use within which it gives its successor again. */
  readonly grace: number;
  /** The bearer value of that successor; undefined where this request made it. */
  successor: string | undefined;
}

/** Which grant and session an artefact names, and whether a second-old copy of them will do. */
export interface GrantLink {
  grantId: string | undefined;
  sessionUid: string | undefined;
  mayBeStale: boolean;
}

/** The grant and the session of first tokens, as they are to be written. */
export interface FirstTokens {
  user: { id: string; tenantId: string };
  grant?: unknown[];
  session?: NewSession;
}

const storage = new AsyncLocalStorage<RequestCache>();

/** The cache of the request being served; undefined outside one, and after it ended. */
export function currentCache(): RequestCache | undefined {
  const cache = storage.getStore();
  return cache?.isClosed ? undefined : cache;
}

/**
 * Runs one request with a cache of its own, so that rows which a statement
 * joined are not read again, and a consumption is written together with the
 * successor. What was put off is written before this resolves; so the response
 * must not be sent earlier (in Koa: a middleware around the engine).
 *
 * @throws what `work` throws; else what the put-off writes throw, such as
 *   InvalidGrant when another request consumed the same token first
 */
export async function runWithRequestCache<T>(work: () => Promise<T>): Promise<T> {
  if (currentCache()) return work();
  const cache: RequestCache = {
    grants: new Map(),
    sessions: new Map(),
    users: new Map(),
    proofs: new Map(),
    links: new Map(),
    bases: new Map(),
    owners: new Map(),
    deferred: new Map(),
    isClosed: false,
  };
  return storage.run(cache, async () => {
    try {
      const result = await work();
      await settleAll(cache);
      return result;
    } catch (error) {
      // The request failed already; its own error tells more than one of the clean-up.
      await settleAll(cache).catch(() => undefined);
      throw error;
    } finally {
      cache.isClosed = true;
    }
  });
}

/**
 * Lets the refresh token of this request give its successor again, if it was
 * used within the last `grace` seconds. Undefined where no grace is given.
 */
export function allowReuse(grace: number): Reuse | undefined {
  const cache = currentCache();
  if (!cache || grace <= 0) return undefined;
  cache.reuse = { grace, successor: undefined };
  return cache.reuse;
}

async function settleAll(cache: RequestCache): Promise<void> {
  for (const name of [...cache.deferred.keys()]) await settle(cache, name);
}

/** Does now what was put off under this name, if anything. */
export async function settle(cache: RequestCache | undefined, name: Deferred): Promise<void> {
  const work = cache?.deferred.get(name);
  if (!cache || !work) return;
  cache.deferred.delete(name);
  await work();
}

/**
 * The user that a statement of this request read along with a token, session or
 * grant; undefined where none did, and outside a request.
 */
export function takeUser(userId: string): AccountFacts | undefined {
  const parked = currentCache()?.users.get(userId);
  if (!parked || 'user' in parked) return parked;
  const user = JSON.parse(parked.account);
  const dates = { createdAt: new Date(user.createdAt), updatedAt: new Date(user.updatedAt) };
  return { user: { ...user, ...dates }, tenantIds: parked.tenantIds };
}

/** Lets what this request has read of a user be had again. */
export function keepUser(found: AccountFacts): void {
  currentCache()?.users.set(found.user.id, found);
}

/**
 * Notes which password a sign-in was proved by: the session of it begins only while
 * that is still the one.
 */
export function noteProof(userId: string, passwordSetAt: unknown): void {
  if (typeof passwordSetAt === 'string') currentCache()?.proofs.set(userId, passwordSetAt);
}

/**
 * Has the grant and session that this request saves next written together with its
 * refresh token, in one statement: all of them or none.
 * @throws TypeError when the request ends without the refresh token
 */
export function gatherFirstTokens(user: FirstTokens['user']): void {
  const cache = currentCache();
  if (!cache) throw new TypeError('first tokens are made within a request');
  cache.first = { user: { id: user.id, tenantId: user.tenantId } };
  cache.deferred.set('first-tokens', async () => {
    throw new TypeError('the engine has issued no refresh token to begin with');
  });
}
