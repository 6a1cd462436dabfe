import { z } from 'zod';

/** A live session of a user, as the user and administrators may see it. */
export const session = z
  .object({
    id: z.uuid(),
    userId: z.uuid(),
    createdAt: z.iso.datetime(),
    lastSeenAt: z.iso.datetime(),
    expiresAt: z.iso.datetime(),
    clientIp: z.string().nullable(),
    userAgent: z.string().nullable(),
    amr: z.array(z.string()).meta({ description: 'RFC 8176: how the user proved who they are' }),
    clients: z.array(z.string()).meta({ description: 'Ids of the clients signed in to' }),
  })
  .meta({ id: 'Session' });
export type Session = z.infer<typeof session>;

/** A session that lives, with how and when its user has signed in to it last. */
export interface LiveSession {
  id: string;
  userId: string;
  amr: string[];
  acr: string | null;
  /** Seconds since the epoch, as `auth_time` tells them. */
  authTime: number;
}

/** What the engine remembers of one client in a session. */
export interface StoredAuthorization {
  sid?: string;
  grantId?: string;
  /** Set where the tokens are meant to outlive a logout (`offline_access`). */
  persistsLogout?: boolean;
  [member: string]: unknown;
}

/** By client id. */
export type StoredAuthorizations = Record<string, StoredAuthorization>;

/** A session as a request read it. */
export interface SessionBase {
  accountId: string | undefined;
  /** When the user last signed in, seconds since the epoch. */
  loginTs?: number | undefined;
  authorizations: StoredAuthorizations;
}

/** A save of a session as the engine asks for it. */
export interface SessionSave {
  /** The stable id (`uid` of the engine), a UUID. */
  uid: string;
  /** The cookie's value, a bearer secret. */
  id: string;
  /** SHA-256 of the cookie's value so far, where this save gives the session a new one. */
  renamedFrom?: Buffer | undefined;
  accountId: string | undefined;
  amr: string[];
  /** All that the engine keeps, without the cookie's value and the authorizations. */
  payload: Record<string, unknown>;
  authorizations: StoredAuthorizations;
  /** The session as this request read it; undefined where it did not. */
  base?: SessionBase | undefined;
  expiresAt: Date;
  /** When the password was set that the sign-in proved; null where it was something else. */
  passwordSetAt?: string | null | undefined;
}

/** What the history of a person keeps of a sign-in, beside where it came from. */
export interface SignInNote {
  id: string;
  amr: string[];
  now: Date;
  expiresAt: Date;
}

/** A session of a person who has signed in, as the row that it becomes, and its event's. */
export interface NewSession {
  uid: string;
  idHash: Buffer;
  idSealed: Buffer;
  userId: string;
  payload: string;
  authorizations: string;
  clientIp: string | null;
  userAgent: string | null;
  now: Date;
  expiresAt: Date;
  passwordSetAt: string | null;
  /** What the history of sign-ins keeps, beside what the session has. */
  history: SignInNote;
  /** See `insertEvent`. */
  event: string;
}

/**
 * `saved`; `stale` when another request gave the session a new cookie in the
 * meantime, so that only new authorizations were added; `ended` when there is
 * no such session any more and none was made.
 */
export type SaveResult = 'saved' | 'stale' | 'ended';

/** What the engine's adapter needs of this feature. */
export interface SessionStore {
  save(change: SessionSave): Promise<SaveResult>;
  /** What a statement that begins a session of this user writes; see `insertSession`. */
  prepare(change: SessionSave, user: { id: string; tenantId: string }): NewSession;
  /** Logout: ends the session with this cookie value; nothing happens where there is none. */
  destroy(id: string): Promise<void>;
}
