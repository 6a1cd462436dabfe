/**
 * Second factors: when one is due, the challenge between password and sign-in,
 * and what all kinds of authenticators have in common. The kinds themselves are
 * features of their own and come in by ports. Must not render pages or issue tokens.
 */
export {
  type Acr,
  acrOf,
  acrs,
  ONE_FACTOR,
  PHISHING_RESISTANT,
  satisfies,
  strongerOf,
  TWO_FACTORS,
  tellAcr,
  weakestOf,
} from './acr.ts';
export type {
  Challenge,
  Challenges,
  EnrolmentAnswer,
  SecondFactorAnswer,
} from './challenge.ts';
export { createChallengeStore } from './challenge-store.ts';
export { mfaEvents } from './events.ts';
export { createGate } from './gate.ts';
export { factorState, lockOwner } from './owner-repository.ts';
export type {
  AuthenticatorKeeper,
  CodeVerifier,
  RecoveryCodesPort,
  TotpEnrolment,
  TotpPort,
  WebAuthnPort,
  WebAuthnProof,
} from './ports.ts';
export {
  type Authenticator,
  type AuthenticatorType,
  authenticatorName,
  authenticatorTypes,
  type SecondFactorMethod,
  secondFactorMethods,
  type UserRef,
} from './schema.ts';
export { createMfaService } from './service.ts';
