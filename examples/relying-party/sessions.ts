import { randomBytes } from 'node:crypto';
import type { PendingSignIn, SignIn } from './oidc-client.ts';

/** Which of the two registered clients something is about. */
export type ClientKey = 'first' | 'second';

/** What the last button brought, shown until the next one. */
export interface Outcome {
  title: string;
  /** Shown as it is, in a monospaced box. */
  body?: string;
  isError?: boolean;
}

/** What the server knows of one browser. Tokens stay here and never reach the browser. */
export interface Session {
  id: string;
  /** Sign-ins under way, by `state`: one for each tab. */
  pending: Map<string, PendingSignIn & { key: ClientKey }>;
  signIns: Map<ClientKey, SignIn>;
  /** Refreshes under way: a refresh token that is used twice looks stolen. */
  refreshing: Map<ClientKey, Promise<void>>;
  /** The `state` of a sign-out under way at the provider. */
  signOutState?: string;
  outcome?: Outcome;
  /** Milliseconds since the epoch. */
  usedAt: number;
}

export interface SessionStore {
  create(): Session;
  find(id: string | undefined): Session | undefined;
  /** Gives a session a new id: whoever knew the one before sign-in is left outside. */
  renew(session: Session): void;
  remove(session: Session): void;
}

/** Milliseconds that a session lasts without use. */
const IDLE = 8 * 60 * 60 * 1000;

/** Most sessions in memory; beyond it the least recently used one goes. */
const MOST = 10_000;

/**
 * Sessions in the memory of this process: right for an example. A real
 * application keeps them in a store that its processes share.
 */
export function createSessionStore(): SessionStore {
  const sessions = new Map<string, Session>();
  const newId = () => randomBytes(32).toString('base64url');

  /** A Map keeps the order of insertion, so the first one is the least recently used. */
  function put(session: Session): void {
    sessions.delete(session.id);
    sessions.set(session.id, session);
    const oldest = sessions.keys().next().value;
    if (sessions.size > MOST && oldest !== undefined) sessions.delete(oldest);
  }

  return {
    create() {
      const session: Session = {
        id: newId(),
        pending: new Map(),
        signIns: new Map(),
        refreshing: new Map(),
        usedAt: Date.now(),
      };
      put(session);
      return session;
    },
    find(id) {
      const session = id === undefined ? undefined : sessions.get(id);
      if (!session) return undefined;
      if (Date.now() - session.usedAt > IDLE) {
        sessions.delete(session.id);
        return undefined;
      }
      session.usedAt = Date.now();
      put(session);
      return session;
    },
    renew(session) {
      sessions.delete(session.id);
      session.id = newId();
      put(session);
    },
    remove(session) {
      sessions.delete(session.id);
    },
  };
}

/** Milliseconds within which a sign-in has to come back. */
const PENDING_LIFETIME = 60 * 60 * 1000;

/** Most sign-ins under way in one browser. */
const MOST_PENDING = 10;

/** Remembers a sign-in that starts, and drops the oldest when there are too many. */
export function addPending(session: Session, pending: PendingSignIn, key: ClientKey): void {
  session.pending.set(pending.state, { ...pending, key });
  const oldest = session.pending.keys().next().value;
  if (session.pending.size > MOST_PENDING && oldest !== undefined) session.pending.delete(oldest);
}

/** Takes out the sign-in that this browser started with `state`: it can come back once. */
export function takePending(
  session: Session | undefined,
  state: string | null,
  key: ClientKey,
): PendingSignIn | undefined {
  const pending = state === null ? undefined : session?.pending.get(state);
  if (!pending || pending.key !== key) return undefined;
  session?.pending.delete(pending.state);
  return Date.now() - pending.startedAt > PENDING_LIFETIME ? undefined : pending;
}
