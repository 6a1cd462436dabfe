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

const key = (uid: string): string => `journeys:${uid}`;

export function createJourneys(redis: Redis): Journeys {
  return {
    async find(uid) {
      const members = Object.entries(await redis.hgetall(key(uid)));
      return Object.fromEntries(members.map(([name, text]) => [name, JSON.parse(text)])) as Journey;
    },
    // A member of the hash each: what two tabs note at once is all there.
    async note(uid, change) {
      const members = Object.entries(change);
      const gone = members.flatMap(([name, value]) => (value === undefined ? [name] : []));
      const kept = members.flatMap(([name, value]) =>
        value === undefined ? [] : [name, JSON.stringify(value)],
      );
      const steps = redis.multi();
      if (gone.length > 0) steps.hdel(key(uid), ...gone);
      if (kept.length > 0) steps.hset(key(uid), ...kept);
      const answers = await steps.expire(key(uid), LIFETIME).exec();
      const failure = answers?.find(([error]) => error !== null)?.[0];
      if (failure) throw failure;
    },
    async end(uid) {
      await redis.del(key(uid));
    },
  };
}
