import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import type { Emit } from '../../kernel/events.ts';
import type { User } from '../user/index.ts';
import type { KnownBrowsers } from './browsers.ts';
import { signInEvents } from './events.ts';

/** A person who has proved who they are, by whatever means. */
export interface SignedIn {
  user: User;
  /** Authentication methods (RFC 8176). */
  amr: string[];
  acr: string;
  /** Seconds since the epoch. */
  authTime: number;
  /** The device cookie to set, where the person has a browser that keeps cookies. */
  device?: string;
  /**
   * When the password was set that was proved, ISO 8601: a session begins only while that
   * is the one, so that a change which ends all sessions misses none.
   */
  passwordSetAt?: string | undefined;
}

/** How it was proved, and to which client. */
export interface Proof {
  /** Authentication methods (RFC 8176). */
  amr: string[];
  clientId: string | null;
  /** The device cookie as it came, null without one; undefined from callers without cookies. */
  device?: string | null | undefined;
  /** When the password was set that was proved, ISO 8601; part of what is proved. */
  passwordSetAt?: string | undefined;
  /** Authentication context classes of ours that the request needs, any of them; none by default. */
  acrValues?: readonly string[] | undefined;
}

export interface AdmissionDeps {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  browsers: Pick<KnownBrowsers, 'note'>;
}

/**
 * The one door that every successful sign-in goes through, whichever way the
 * person proved who they are: it records the sign-in, notes the browser, and says
 * what tokens may claim of it. The caller has checked that the user may sign in.
 */
export const createAdmission =
  ({ knex, clock, emit, browsers }: AdmissionDeps) =>
  async (user: User, { amr, clientId, device, passwordSetAt }: Proof): Promise<SignedIn> => {
    const { cookie } = await knex.transaction(async (trx) => {
      const seen = await browsers.note(trx, user, device);
      const isNew = seen.newBrowserId && { isNewBrowser: true, browserId: seen.newBrowserId };
      await emit(
        trx,
        signInEvents.loggedIn,
        { subject: user.id, tenantId: user.tenantId, actorId: user.id },
        { userId: user.id, clientId, amr, ...isNew },
      );
      return seen;
    });
    return {
      user,
      amr,
      acr: 'urn:gatehouse:acr:1fa',
      authTime: Math.floor(clock.now() / 1000),
      ...(cookie === undefined ? {} : { device: cookie }),
      passwordSetAt,
    };
  };
