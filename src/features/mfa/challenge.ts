import type { Proof, SignedIn } from '../sign-in/index.ts';
import type { TotpEnrolment } from './ports.ts';
import type { AuthenticatorType, SecondFactorMethod } from './schema.ts';

/** A sign-in that waits for its second factor: five minutes, three wrong codes at most. */
export interface Challenge {
  /** The signed id that callers present; nothing in it is a secret of the person. */
  id: string;
  userId: string;
  tenantId: string;
  /** What may be presented, the strongest first; empty where one has to be set up first. */
  methods: SecondFactorMethod[];
  /** What may be set up within this sign-in; empty where there is something to present. */
  enroll: AuthenticatorType[];
  /** Whether setting one up may be put off: the tenant's grace period. */
  mayPostpone: boolean;
  /** When that grace period ends, in milliseconds since the epoch; null where there is none. */
  postponeUntil: number | null;
  /** Days that the browser may be remembered; 0: not. */
  rememberDays: number;
  /** Where codes go, masked. */
  sentTo: { email: string | null; sms: string | null };
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

/** What a person presents. */
export type SecondFactorAnswer =
  | { method: 'webauthn'; response: unknown }
  | { method: Exclude<SecondFactorMethod, 'webauthn'>; code: string };

/** An authenticator that is set up within a sign-in. */
export type EnrolmentAnswer =
  | { type: 'totp'; id: string; code: string }
  | { type: 'webauthn'; response: unknown; name?: string | undefined };

/**
 * Between password and sign-in. A sign-in that needs more than was proved ends in
 * `IDENT_MFA_REQUIRED` with `challengeId`, `methods` and `enroll`; these are the only
 * ways on. Unknown, expired and finished challenges throw `IDENT_TOKEN_SPENT`; a
 * wrong answer throws `IDENT_MFA_FAILED` with `triesLeft`, the third ends the challenge.
 */
export interface Challenges {
  find(challengeId: string): Promise<Challenge>;
  /** For `navigator.credentials.get`. */
  assertionOptions(challengeId: string): Promise<{ challenge: string }>;
  /** @throws AppError IDENT_RATE_LIMITED, IDENT_UNAVAILABLE too */
  sendCode(challengeId: string, way: 'email' | 'sms', locale: string | null): Promise<void>;
  /** @param remember whether this browser is to be remembered, where the tenant allows it */
  verify(
    challengeId: string,
    answer: SecondFactorAnswer,
    options: { clientIp: string | null; remember?: boolean },
  ): Promise<SignedIn>;
  enrollTotp(challengeId: string): Promise<TotpEnrolment>;
  /** For `navigator.credentials.create`. */
  registrationOptions(challengeId: string): Promise<{ challenge: string }>;
  /** Ends the sign-in by setting one up; recovery codes come with it, shown once. */
  enroll(
    challengeId: string,
    answer: EnrolmentAnswer,
    options: { clientIp: string | null },
  ): Promise<{ signedIn: SignedIn; recoveryCodes: string[] }>;
  /**
   * Signs in without, within the grace period.
   * @throws AppError IDENT_INVALID_TRANSITION where that is not so
   */
  postpone(challengeId: string): Promise<SignedIn>;
  /**
   * For somebody who is signed in, to whom a request is not content with that: goes the
   * way of any sign-in that needs more than was proved, so that only the rest is asked for.
   * @param session what that sign-in has shown, and when; of the classes in `acrValues` any will do
   * @throws AppError IDENT_MFA_REQUIRED with the challenge; IDENT_UNAUTHENTICATED where the
   *   account is closed, IDENT_LOCKED
   */
  stepUp(session: Proof & { userId: string; authTime: number }): Promise<SignedIn>;
}
