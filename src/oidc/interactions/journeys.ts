import type { Redis } from 'ioredis';

/** Seconds that a journey is remembered: as long as its interaction waits. */
const LIFETIME = 3_600;

/** A code that was asked for: what was typed, and by which way it went. */
export interface Asked {
  way: 'email' | 'sms';
  identifier: string;
  organisation: string;
  isResent?: boolean;
}

/** What a person has begun within one sign-in, beside typing a password. */
export interface Journey {
  /** The step that the request named was shown. */
  isBegun?: boolean;
  /** Another account is signed in to; the session in use is kept. */
  isAnother?: boolean;
  /** Signing in by a code. */
  code?: Asked;
  /** Proving the address of a new account. */
  verify?: Asked | undefined;
  /** What the sign-in page has to say, and with whom it begins. */
  notice?: { about: 'signed-up' | 'verified'; identifier: string };
  /** Choosing a new password. */
  reset?: Omit<Asked, 'way'> | undefined;
  /** A second factor that is due. */
  factor?: DueFactor | undefined;
  /** Recovery codes that were made and are still to be saved: sealed, in base64url. */
  codes?: string;
}

/** The challenge between password and sign-in, or between a session and more of it. */
export interface DueFactor {
  challengeId: string;
  /** The session of this browser is stepped up; nobody has typed a password. */
  isStepUp?: boolean;
  /** The way that a code went, on the button of its page. */
  sent?: { way: 'email' | 'sms'; isResent?: boolean };
}

/**
 * Remembers what was begun on the pages of one interaction, so that each page
 * can be asked for again and none needs an address with somebody's name in it.
 * Nothing in it says who somebody is.
 */
export interface Journeys {
  find(uid: string): Promise<Journey>;
  /** Adds to what is remembered; members that are undefined are forgotten. */
  note(uid: string, change: Partial<Journey>): Promise<void>;
  end(uid: string): Promise<void>;
}

const key = (uid: string): string => `journey:${uid}`;

export function createJourneys(redis: Redis): Journeys {
  async function find(uid: string): Promise<Journey> {
    const text = await redis.get(key(uid));
    return text ? (JSON.parse(text) as Journey) : {};
  }
  return {
    find,
    async note(uid, change) {
      const text = JSON.stringify({ ...(await find(uid)), ...change });
      await redis.set(key(uid), text, 'EX', LIFETIME);
    },
    async end(uid) {
      await redis.del(key(uid));
    },
  };
}
