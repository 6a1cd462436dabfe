import { z } from 'zod';

/** Base64url without padding, of so many bytes at most. */
const bytes = (most: number) =>
  z
    .string()
    .min(1)
    .max(Math.ceil((most * 4) / 3))
    .regex(/^[\w-]+$/, 'must be base64url');

/** Longest parts of an answer, in bytes; WebAuthn Level 3, 5.8.3 bounds ids of credentials. */
const LONGEST = {
  credentialId: 1_023,
  clientData: 4_096,
  attestation: 16_384,
  authenticatorData: 4_096,
  signature: 1_024,
  userHandle: 64,
} as const;

const credentialFields = {
  id: bytes(LONGEST.credentialId),
  rawId: bytes(LONGEST.credentialId),
  type: z.literal('public-key'),
  // Nothing is decided by them: they are the browser's word, not the authenticator's.
  clientExtensionResults: z.record(z.string().max(64), z.json()).default({}),
  authenticatorAttachment: z.string().max(32).nullish(),
};

/** The answer of `navigator.credentials.create()`, by its `toJSON()`. */
export const registrationAnswer = z
  .looseObject({
    ...credentialFields,
    response: z.looseObject({
      clientDataJSON: bytes(LONGEST.clientData),
      attestationObject: bytes(LONGEST.attestation),
      transports: z.array(z.string().max(32)).max(16).default([]),
    }),
  })
  .meta({
    id: 'WebAuthnRegistration',
    description:
      'RegistrationResponseJSON of WebAuthn Level 3: what `PublicKeyCredential.toJSON()` gives. Further members are ignored.',
  });
export type RegistrationAnswer = z.output<typeof registrationAnswer>;

/** The answer of `navigator.credentials.get()`, by its `toJSON()`. */
export const assertionAnswer = z
  .looseObject({
    ...credentialFields,
    response: z.looseObject({
      clientDataJSON: bytes(LONGEST.clientData),
      authenticatorData: bytes(LONGEST.authenticatorData),
      signature: bytes(LONGEST.signature),
      userHandle: bytes(LONGEST.userHandle).nullish(),
    }),
  })
  .meta({
    id: 'WebAuthnAssertion',
    description:
      'AuthenticationResponseJSON of WebAuthn Level 3: what `PublicKeyCredential.toJSON()` gives. Further members are ignored.',
  });
export type AssertionAnswer = z.output<typeof assertionAnswer>;

/** What transports there are (WebAuthn Level 3, 5.8.4, and `cable`, its former name for hybrid). */
export const transports = [
  'ble',
  'cable',
  'hybrid',
  'internal',
  'nfc',
  'smart-card',
  'usb',
] as const;
export type Transport = (typeof transports)[number];

const descriptor = z.object({
  id: z.string(),
  type: z.literal('public-key'),
  transports: z.array(z.enum(transports)),
});

/** PublicKeyCredentialCreationOptionsJSON, for `parseCreationOptionsFromJSON`. */
export const creationOptions = z
  .object({
    challenge: z.string().describe('256 random bits, good for one answer within five minutes'),
    rp: z.object({ id: z.string(), name: z.string() }),
    user: z.object({ id: z.string(), name: z.string(), displayName: z.string() }),
    pubKeyCredParams: z.array(z.object({ alg: z.int(), type: z.literal('public-key') })),
    timeout: z.int().describe('Milliseconds'),
    attestation: z.literal('none'),
    excludeCredentials: z.array(descriptor),
    authenticatorSelection: z.object({
      residentKey: z.literal('required'),
      requireResidentKey: z.literal(true),
      userVerification: z.literal('required'),
    }),
    extensions: z.object({ credProps: z.literal(true) }),
  })
  .meta({ id: 'WebAuthnCreationOptions' });
export type CreationOptions = z.output<typeof creationOptions>;

/** PublicKeyCredentialRequestOptionsJSON, for `parseRequestOptionsFromJSON`. */
export const requestOptions = z
  .object({
    challenge: creationOptions.shape.challenge,
    rpId: z.string(),
    timeout: z.int().describe('Milliseconds'),
    userVerification: z.literal('required'),
    allowCredentials: z.array(descriptor).describe('Empty: any passkey of this domain'),
  })
  .meta({ id: 'WebAuthnRequestOptions' });
export type RequestOptions = z.output<typeof requestOptions>;

/** A stored credential. */
export interface Credential {
  id: string;
  userId: string;
  tenantId: string;
  name: string;
  credentialId: Buffer;
  /** COSE_Key (RFC 9052). */
  publicKey: Buffer;
  counter: number;
  transports: Transport[];
  aaguid: string | null;
  /** Backup eligible: the key may leave its device. Never changes. */
  isSyncedType: boolean;
  isBackedUp: boolean;
  createdAt: Date;
  lastUsedAt: Date | null;
  disabledAt: Date | null;
}
