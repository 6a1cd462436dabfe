import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import { sha256 } from '../../kernel/crypto.ts';
import { currentRequest } from '../../kernel/current-request.ts';
import { newId } from '../../kernel/ids.ts';
import type { DeviceCookieCodec } from './device-cookie.ts';
import {
  findBrowser,
  hasBrowsersBeside,
  insertBrowser,
  isRemembered,
  rememberBrowser,
  touchBrowser,
  trimBrowsers,
  useBrowser,
} from './repository.ts';

interface UserRef {
  id: string;
  tenantId: string;
}

/** What a sign-in says of where it came from. */
export interface SeenBrowser {
  /** The cookie to set; undefined where the caller has no cookies. */
  cookie: string | undefined;
  /** Names the browser where it is new to an account that was used from others before. */
  newBrowserId: string | null;
}

/** The browsers that a user has signed in from before. */
export interface KnownBrowsers {
  /**
   * Names the browser among those of the user, if its cookie vouches for the
   * user and nobody has had it forgotten since; without a user the same work.
   */
  recognise(user: UserRef | null, cookie: string | null | undefined): Promise<string | null>;
  /** Remembers a browser at a sign-in. `cookie` undefined: a caller without cookies. */
  note(
    trx: Knex.Transaction,
    user: UserRef,
    cookie: string | null | undefined,
  ): Promise<SeenBrowser>;
  /**
   * The same for a browser that is known, together with an event and in one statement.
   * @param event see `insertEvent`
   * @returns undefined for one that is not: nothing was written then
   */
  noteKnown(
    user: UserRef,
    cookie: string | null | undefined,
    event: string,
  ): Promise<SeenBrowser | undefined>;
  /** Whether the browser has proved a second factor of the user that still counts. */
  isRemembered(user: UserRef, cookie: string | null | undefined): Promise<boolean>;
  /** Lets a second factor count for later sign-ins from the browser that has this cookie. */
  remember(
    trx: Knex.Transaction,
    user: UserRef,
    cookie: string | undefined,
    until: Date,
  ): Promise<void>;
}

/** Browsers of one user that are remembered at most; the one used longest ago goes. */
const MOST_BROWSERS = 20;

const DAY = 24 * 3_600_000;

/** Milliseconds after its last sign-in that a browser is forgotten. */
export const BROWSER_AGE = 365 * DAY;

/** Longest user agent that is kept, in characters. */
const USER_AGENT_LENGTH = 512;

/** Stands in for a user where there is none, so that the work is the same. */
const NOBODY = '00000000-0000-0000-0000-000000000000';

/** A user agent without version numbers: an update makes no new browser of it. */
const withoutVersions = (userAgent: string): string => userAgent.replace(/[\d.]+/g, '');

interface BrowserDeps {
  knex: Knex;
  clock: Clock;
  cookies: DeviceCookieCodec;
  /** Digest under a server key: what goes in can be guessed. */
  digest(value: string): Buffer;
  /** The network that an address belongs to, as one provider assigns it. */
  networkOf(ip: string | null): string;
}

const cookieHash = (nonce: string): Buffer => sha256(`device-cookie:${nonce}`);

export function createKnownBrowsers(deps: BrowserDeps): KnownBrowsers {
  const { knex, clock, cookies } = deps;

  /** How a caller without cookies is known again: by its kind and network. */
  function fingerprint(user: UserRef): Buffer {
    const request = currentRequest();
    const agent = withoutVersions(request?.userAgent ?? '');
    const network = deps.networkOf(request?.clientIp ?? null);
    return deps.digest(`agent:${user.id}:${network}:${agent}`);
  }

  function identify(user: UserRef, cookie: string | null | undefined) {
    if (cookie === undefined) return { hash: fingerprint(user), cookie: undefined };
    const nonce = cookies.find(cookie, user.id);
    if (cookie === null || nonce === undefined) return undefined;
    return { hash: cookieHash(nonce), cookie: cookies.keep(cookie, user.id) };
  }

  async function add(
    trx: Knex.Transaction,
    user: UserRef,
    hash: Buffer,
    now: Date,
  ): Promise<string | null> {
    const id = newId();
    const isNew = await hasBrowsersBeside(trx, user, id, now);
    const request = currentRequest();
    const isInserted = await insertBrowser(trx, {
      id,
      userId: user.id,
      tenantId: user.tenantId,
      hash,
      clientIp: isNew ? (request?.clientIp ?? null) : null,
      userAgent: isNew ? (request?.userAgent?.slice(0, USER_AGENT_LENGTH) ?? null) : null,
      now,
      expiresAt: new Date(now.getTime() + BROWSER_AGE),
    });
    await trimBrowsers(trx, user, MOST_BROWSERS);
    return isNew && isInserted ? id : null;
  }

  return {
    async recognise(user, cookie) {
      const nonce = cookies.find(cookie, user?.id ?? NOBODY);
      if (!user || nonce === undefined) return null;
      const hash = cookieHash(nonce);
      const found = await findBrowser(knex, user, hash, new Date(clock.now()));
      return found ? hash.toString('base64url') : null;
    },

    async isRemembered(user, cookie) {
      const nonce = cookies.find(cookie, user.id);
      if (nonce === undefined) return false;
      return isRemembered(knex, user, cookieHash(nonce), new Date(clock.now()));
    },

    async remember(trx, user, cookie, until) {
      const nonce = cookies.find(cookie, user.id);
      if (nonce !== undefined) await rememberBrowser(trx, user, cookieHash(nonce), until);
    },

    async noteKnown(user, cookie, event) {
      const known = identify(user, cookie);
      if (!known) return undefined;
      const now = clock.now();
      const isKnown = await useBrowser(knex, user, known.hash, {
        now: new Date(now),
        expiresAt: new Date(now + BROWSER_AGE),
        touchBefore: new Date(now - DAY),
        event,
      });
      return isKnown ? { cookie: known.cookie, newBrowserId: null } : undefined;
    },

    async note(trx, user, cookie) {
      const now = new Date(clock.now());
      const known = identify(user, cookie);
      const found = known && (await findBrowser(trx, user, known.hash, now));
      if (known && found) {
        if (now.getTime() - found.lastSeenAt.getTime() > DAY) {
          await touchBrowser(trx, found.id, {
            now,
            expiresAt: new Date(now.getTime() + BROWSER_AGE),
          });
        }
        return { cookie: known.cookie, newBrowserId: null };
      }
      if (cookie === undefined) {
        const newBrowserId = await add(trx, user, fingerprint(user), now);
        return { cookie: undefined, newBrowserId };
      }
      const made = cookies.add(cookie, user.id);
      const newBrowserId = await add(trx, user, cookieHash(made.nonce), now);
      return { cookie: made.cookie, newBrowserId };
    },
  };
}
