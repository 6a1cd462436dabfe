import type { UserRef } from '../mfa/index.ts';
import { ALGORITHMS } from './public-key.ts';
import type { CreationOptions, Credential, RequestOptions } from './schema.ts';

/**
 * The user handle (WebAuthn Level 3, 5.4.3): the bytes of the user's id, which say
 * nothing of the person. It is one for all passkeys of a user, so that a keeper knows
 * them to belong together.
 */
export const userHandle = ({ id }: Pick<UserRef, 'id'>): string =>
  Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url');

const describe = ({ credentialId, transports }: Credential) => ({
  id: credentialId.toString('base64url'),
  type: 'public-key' as const,
  transports,
});

interface Ceremony {
  challenge: string;
  rpId: string;
  /** Milliseconds. */
  timeout: number;
}

/** For `navigator.credentials.create`: a discoverable credential, so that it is a passkey too. */
export const toCreationOptions = (
  { challenge, rpId, timeout }: Ceremony,
  rpName: string,
  user: UserRef & { label: string; displayName: string },
  present: readonly Credential[],
): CreationOptions => ({
  challenge,
  rp: { id: rpId, name: rpName },
  user: { id: userHandle(user), name: user.label, displayName: user.displayName },
  pubKeyCredParams: Object.values(ALGORITHMS).map((alg) => ({ alg, type: 'public-key' })),
  timeout,
  attestation: 'none',
  excludeCredentials: present.map(describe),
  authenticatorSelection: {
    residentKey: 'required',
    requireResidentKey: true,
    userVerification: 'required',
  },
  extensions: { credProps: true },
});

/** For `navigator.credentials.get`; no credentials: whichever passkey the person chooses. */
export const toRequestOptions = (
  { challenge, rpId, timeout }: Ceremony,
  allowed: readonly Credential[],
): RequestOptions => ({
  challenge,
  rpId,
  timeout,
  userVerification: 'required',
  allowCredentials: allowed.map(describe),
});
