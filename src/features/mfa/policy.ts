import type { TenantSettings } from '../tenant/index.ts';
import {
  type Acr,
  acrOf,
  ONE_FACTOR,
  PHISHING_RESISTANT,
  satisfies,
  strongerOf,
  TWO_FACTORS,
} from './acr.ts';
import { type AuthenticatorType, authenticatorTypes, type SecondFactorMethod } from './schema.ts';

const DAY = 24 * 3_600_000;

/** What a sign-in needs is decided by this and nothing else. */
export interface Situation {
  /** What was proved so far (RFC 8176). */
  amr: readonly string[];
  /** What the person has enrolled; `blocked` alone where none of it opens anything any more. */
  factors: readonly (AuthenticatorType | 'blocked')[];
  hasRecoveryCodes: boolean;
  /** Whether there is a proved address that codes can go to. */
  isProved: { email: boolean; phone: boolean };
  settings: Pick<TenantSettings, 'mfaGraceDays' | 'mfaEmailCode' | 'mfaSmsCode'>;
  /** Whether the home tenant demands a second factor of everybody. */
  isRequired: boolean;
  /** The class that the request itself needs. */
  asked: Acr;
  /** When the person was first told that a factor is to be set up. */
  askedAt: Date | null;
  /** Milliseconds since the epoch. */
  now: number;
}

/** What is still to be done before the person is signed in. */
export interface Due {
  methods: SecondFactorMethod[];
  enroll: AuthenticatorType[];
  mayPostpone: boolean;
  /** Milliseconds since the epoch; null where nothing may be put off. */
  postponeUntil: number | null;
}

/** The class that a sign-in needs: whoever has a factor is asked for it, whoever asks. */
export const neededAcr = ({
  factors,
  isRequired,
  asked,
}: Pick<Situation, 'factors' | 'isRequired' | 'asked'>): Acr =>
  strongerOf(isRequired || factors.length > 0 ? TWO_FACTORS : ONE_FACTOR, asked);

/**
 * What an enrolled factor can be shown by. Of a person with one, nothing weaker is
 * taken in its place; a recovery code is.
 */
function byEnrolled({ factors, hasRecoveryCodes }: Situation): SecondFactorMethod[] {
  if (factors.length === 0) return [];
  const enrolled = authenticatorTypes.filter((type) => factors.includes(type));
  // Of whoever has only blocked ones nothing else can be asked: nobody goes on without.
  const takesCode = hasRecoveryCodes || enrolled.length === 0;
  return takesCode ? [...enrolled, 'recovery-code'] : enrolled;
}

/**
 * Codes that are sent, where the tenant insists, to people without a better factor
 * (ASVS 6.3.6). Beside a password only: a code that was sent is no second one of itself.
 */
function bySentCode({ amr, factors, isProved, settings }: Situation): SecondFactorMethod[] {
  if (factors.length > 0 || !amr.includes('pwd')) return [];
  return [
    ...(settings.mfaSmsCode && isProved.phone ? (['sms'] as const) : []),
    ...(settings.mfaEmailCode && isProved.email ? (['email'] as const) : []),
  ];
}

function methodsFor(situation: Situation, needed: Acr): SecondFactorMethod[] {
  const { amr, factors } = situation;
  if (needed !== PHISHING_RESISTANT) {
    return [...byEnrolled(situation), ...bySentCode(situation)];
  }
  if (factors.includes('webauthn')) return ['webauthn'];
  // Nobody adds a factor beside one without showing that one first.
  return satisfies(acrOf(amr), TWO_FACTORS) ? [] : byEnrolled(situation);
}

/** The end of the grace period, where there is one and it is not over. */
function findPostponeUntil(situation: Situation): number | null {
  const { isRequired, asked, askedAt, settings, now } = situation;
  if (!isRequired || asked !== ONE_FACTOR) return null;
  const until = (askedAt?.getTime() ?? now) + settings.mfaGraceDays * DAY;
  return until > now ? until : null;
}

/** What is due in a sign-in that has not reached what it needs. */
export function whatIsDue(situation: Situation): Due {
  const needed = neededAcr(situation);
  const methods = methodsFor(situation, needed);
  if (methods.length > 0) return { methods, enroll: [], mayPostpone: false, postponeUntil: null };
  const enroll: AuthenticatorType[] =
    needed === PHISHING_RESISTANT ? ['webauthn'] : [...authenticatorTypes];
  const postponeUntil = findPostponeUntil(situation);
  return { methods, enroll, mayPostpone: postponeUntil !== null, postponeUntil };
}
