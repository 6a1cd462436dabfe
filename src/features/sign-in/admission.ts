import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import { eventRow } from '../../kernel/event-row.ts';
import type { Emit } from '../../kernel/events.ts';
import type { User } from '../user/index.ts';
import type { KnownBrowsers } from './browsers.ts';
import type { Candidate } from './candidates.ts';
import { signInEvents } from './events.ts';

/** A person who has proved who they are, by whatever means. */
export interface SignedIn {
  user: User;
  /** Authentication methods (RFC 8176). */
  amr: string[];
  acr: string;
  /** Seconds since the epoch. */
  authTime: number;
  /** The classes that the request named, if any: the first that was reached is told. */
  acrValues?: readonly string[];
  /** The tenant that the sign-in asked for; null leaves it open. */
  tenantId: string | null;
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
  /** The tenant that was asked for; none by default. */
  tenantId?: string | null | undefined;
  /** Until when this browser is remembered to have proved a second factor; not, by default. */
  rememberUntil?: Date;
  /** Seconds since the epoch, where a session is stepped up: of its sign-in. Now by default. */
  authTime?: number | undefined;
}

/** What was proved, for the request that it was proved to. */
export const proofBy = (
  amr: readonly string[],
  { clientId, device, acrValues, tenantId }: Omit<Proof, 'amr'>,
): Proof => ({ amr: [...amr], clientId, device, acrValues, tenantId });

/** A person with what decides about second factors. */
export type Admissible = User &
  Pick<
    Candidate,
    | 'secondFactors'
    | 'secondFactorAskedAt'
    | 'isSecondFactorRequired'
    | 'passwordSetAt'
    | 'signedOutAt'
  >;

/** Whether more is needed than was proved. */
export interface SecondFactorCheck {
  /** @returns the class that was reached @throws AppError IDENT_MFA_REQUIRED with a challenge */
  assertEnough(user: Admissible, proof: Proof): Promise<string>;
}

export interface AdmissionDeps {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  browsers: Pick<KnownBrowsers, 'note' | 'noteKnown' | 'remember'>;
  secondFactor: SecondFactorCheck;
}

/** The user alone: the hash and what decided about second factors go no further. */
const withoutFacts = ({
  passwordHash: _,
  isHome: __,
  secondFactors: ___,
  secondFactorAskedAt: ____,
  isSecondFactorRequired: _____,
  passwordSetAt: ______,
  signedOutAt: _______,
  ...user
}: Admissible & Partial<Candidate>): User => user;

/**
 * The one door that every successful sign-in goes through, whichever way the
 * person proved who they are: it asks for a second factor where one is due, records
 * the sign-in, notes the browser, and says what tokens may claim of it. The caller
 * has checked that the user may sign in.
 */
export function createAdmission({ knex, clock, emit, browsers, secondFactor }: AdmissionDeps) {
  /** Records a sign-in of which it is settled that it is one. */
  async function enter(admitted: Admissible, proof: Proof, acr: string): Promise<SignedIn> {
    const { amr, clientId, device, acrValues, rememberUntil, passwordSetAt } = proof;
    const user = withoutFacts(admitted);
    const facts = { subject: user.id, tenantId: user.tenantId, actorId: user.id };
    const data = { userId: user.id, clientId, amr };
    const note = () =>
      knex.transaction(async (trx) => {
        const seen = await browsers.note(trx, user, device);
        if (rememberUntil) await browsers.remember(trx, user, seen.cookie, rememberUntil);
        const isNew = seen.newBrowserId && { isNewBrowser: true, browserId: seen.newBrowserId };
        await emit(trx, signInEvents.loggedIn, facts, { ...data, ...isNew });
        return seen;
      });
    const event = JSON.stringify(eventRow(clock, signInEvents.loggedIn, facts, data));
    const known = rememberUntil ? undefined : await browsers.noteKnown(user, device, event);
    const { cookie } = known ?? (await note());
    return {
      user,
      amr,
      acr,
      authTime: proof.authTime ?? Math.floor(clock.now() / 1000),
      tenantId: proof.tenantId ?? null,
      ...(acrValues ? { acrValues } : {}),
      ...(cookie === undefined ? {} : { device: cookie }),
      passwordSetAt,
    };
  }

  return {
    enter,
    /** @throws AppError IDENT_MFA_REQUIRED where more is needed: nothing has happened then */
    admit: async (user: Admissible, proof: Proof): Promise<SignedIn> =>
      enter(user, proof, await secondFactor.assertEnough(user, proof)),
  };
}
