import type { Knex } from 'knex';
import type { Authenticator, AuthenticatorType, UserRef } from './schema.ts';

/** What each feature that keeps authenticators of one type does for all of them. */
export interface AuthenticatorKeeper {
  type: AuthenticatorType;
  /** Confirmed ones, the oldest first. */
  list(user: UserRef): Promise<Authenticator[]>;
  /** @returns whether it is one of this user's */
  rename(trx: Knex.Transaction, user: UserRef, id: string, name: string): Promise<boolean>;
  /** Takes one away, with its event. @returns whether it was one of this user's */
  remove(
    trx: Knex.Transaction,
    user: UserRef,
    id: string,
    by: 'user' | 'administrator',
  ): Promise<boolean>;
  /** Takes all away, with their events; unconfirmed ones too. @returns how many there were */
  removeAll(trx: Knex.Transaction, user: UserRef, by: 'user' | 'administrator'): Promise<number>;
}

/** A secret that the person types: of an authenticator app, or from the list of recovery codes. */
export interface CodeVerifier {
  /** Uses a code up: of any number of concurrent uses of one code, one succeeds. */
  verify(user: UserRef, code: string): Promise<boolean>;
}

/** An authenticator app that is being set up. */
export interface TotpEnrolment {
  id: string;
  /** `otpauth://totp/…`, for a QR code. */
  uri: string;
  /** The seed in base32, for people who type it. */
  secret: string;
}

export interface TotpPort extends CodeVerifier, AuthenticatorKeeper {
  /**
   * Begins to set up an app; it counts from its first code on.
   * @param issuerName what the app shows beside the account: the tenant's name
   * @throws AppError IDENT_VALIDATION where the user has as many as there may be
   */
  enroll(
    user: UserRef & { label: string },
    options: { name: string; issuerName: string },
  ): Promise<TotpEnrolment>;
  /** The same seed again, for a page that is asked for twice; undefined when it is gone or confirmed. */
  pending(
    user: UserRef & { label: string },
    id: string,
    options: { issuerName: string },
  ): Promise<TotpEnrolment | undefined>;
  /**
   * Ends the setting up by a code of the app.
   * @throws AppError IDENT_TOKEN_SPENT when it is not there, IDENT_VALIDATION (`code`) when wrong
   */
  confirm(user: UserRef, id: string, code: string): Promise<Authenticator>;
}

export interface RecoveryCodesPort extends CodeVerifier {
  /** Ten new ones in place of all before; told this once. */
  generate(user: UserRef): Promise<string[]>;
  /**
   * Ten new ones for a user who has none that are good, with the first authenticator;
   * otherwise nothing happens. @returns them, told this once, or none
   */
  generateFirst(user: UserRef): Promise<string[]>;
  /** As generate, within a transaction of the caller. */
  generateWithin(trx: Knex.Transaction, user: UserRef): Promise<string[]>;
  /** How many are left, and of when; null where there never were any. */
  status(user: UserRef): Promise<{ left: number; createdAt: Date } | null>;
  removeAll(trx: Knex.Transaction, user: UserRef): Promise<void>;
}

/** What a WebAuthn assertion has shown. */
export interface WebAuthnProof {
  userId: string;
  credentialId: string;
  /** RFC 8176: `swk` where a provider keeps the key, else `hwk`, with `user` as it was verified. */
  amr: string[];
}

/**
 * `binding` is what a ceremony belongs to, such as `challenge:…` or
 * `interaction:…`: a challenge of one opens nothing in another, and is used up
 * by the first answer to it (ASVS 6.7.2). Options are those of
 * `PublicKeyCredential…OptionsJSON` (WebAuthn Level 3).
 */
export interface WebAuthnPort extends AuthenticatorKeeper {
  /** @throws AppError IDENT_WEBAUTHN_LIMIT where the user has five already */
  registrationOptions(
    user: UserRef & { label: string; displayName: string },
    binding: string,
  ): Promise<{ challenge: string }>;
  /** @throws AppError IDENT_WEBAUTHN_LIMIT, IDENT_VALIDATION, IDENT_TOKEN_SPENT */
  register(
    user: UserRef,
    binding: string,
    answer: { name: string; response: unknown },
  ): Promise<Authenticator>;
  /** @param user whose credentials are asked for; null lets the browser offer any passkey */
  assertionOptions(user: UserRef | null, binding: string): Promise<{ challenge: string }>;
  /**
   * Checks an assertion, counter and user verification included; undefined when it shows nothing.
   * @param user whose credential it has to be; null takes that of any user
   */
  assert(
    user: UserRef | null,
    binding: string,
    response: unknown,
  ): Promise<WebAuthnProof | undefined>;
}
