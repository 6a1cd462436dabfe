import { z } from 'zod';

/** Kinds of authenticators (NIST SP 800-63B) that people enrol. */
export const authenticatorTypes = ['webauthn', 'totp'] as const;
export type AuthenticatorType = (typeof authenticatorTypes)[number];

/**
 * What takes the place of a second factor in a sign-in, the strongest first.
 * Codes by mail and SMS are there only where a tenant insists (ASVS 6.3.6).
 */
export const secondFactorMethods = ['webauthn', 'totp', 'recovery-code', 'sms', 'email'] as const;
export type SecondFactorMethod = (typeof secondFactorMethods)[number];

/** What people call an authenticator, to tell theirs apart. */
export const authenticatorName = z
  .string()
  .trim()
  .normalize('NFC')
  .min(1)
  .max(64)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'must not hold control characters');

/** A user as second factors need to know them. */
export interface UserRef {
  id: string;
  tenantId: string;
}

/** An enrolled authenticator, as its owner sees it. */
export interface Authenticator {
  id: string;
  type: AuthenticatorType;
  name: string;
  createdAt: Date;
  lastUsedAt: Date | null;
  /** Of passkeys: whether its keeper could copy it to other devices (WebAuthn Level 3, 6.1.3). */
  isSyncedType?: boolean;
  /** Of passkeys: whether it is kept by a provider and reaches other devices. */
  isBackedUp?: boolean;
  /** Of passkeys: it may have been cloned and opens nothing any more. */
  isDisabled?: boolean;
}
