import { Buffer } from 'node:buffer';
import { z } from 'zod';
import { ALGORITHMS, isUsableKey } from './public-key.ts';
import {
  type AssertionAnswer,
  type Credential,
  type RegistrationAnswer,
  type Transport,
  transports,
} from './schema.ts';

/** To whom credentials belong (WebAuthn Level 3, 4), and whose pages may ask for them. */
export interface RelyingParty {
  id: string;
  origins: readonly string[];
}

/** What an answer shows of its credential. */
interface Shown {
  credentialId: Buffer;
  counter: number;
  isSyncedType: boolean;
  isBackedUp: boolean;
}

export interface ShownCredential extends Shown {
  publicKey: Buffer;
  transports: Transport[];
  aaguid: string | null;
}

/** An answer that shows nothing, and why: for the log only. */
export class RefusedAnswer extends Error {}

const clientData = z.object({
  challenge: z.string().min(1).max(100),
  crossOrigin: z.boolean().optional(),
});

/** An authenticator that does not say what it is. */
const NO_AAGUID = '00000000-0000-0000-0000-000000000000';

/**
 * The challenge that was signed.
 * @throws RefusedAnswer where there is none, and for pages in a frame of another origin
 */
export function challengeOf(answer: RegistrationAnswer | AssertionAnswer): string {
  const bytes = Buffer.from(answer.response.clientDataJSON, 'base64url');
  let parsed: ReturnType<typeof clientData.safeParse>;
  try {
    parsed = clientData.safeParse(JSON.parse(bytes.toString('utf8')));
  } catch {
    throw new RefusedAnswer('client data is not JSON');
  }
  if (!parsed.success) throw new RefusedAnswer('client data has no challenge');
  // Level 3, 7.1 step 10 and 7.2 step 14: none of our pages stands in a frame.
  if (parsed.data.crossOrigin) throw new RefusedAnswer('from a frame of another origin');
  return parsed.data.challenge;
}

/** Loaded by the first answer: the parsers of attestation certificates take 20 MB. */
const loadLibrary = () =>
  Promise.all([import('@simplewebauthn/server'), import('@simplewebauthn/server/helpers')]);

/** Whatever the library refuses, as one error. */
async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RefusedAnswer) throw error;
    throw new RefusedAnswer((error as Error).message, { cause: error });
  }
}

const isKnownTransport = (name: string): name is Transport =>
  (transports as readonly string[]).includes(name);

type Library = Awaited<ReturnType<typeof loadLibrary>>;

/**
 * Attestation is not asked for, so that none or a signature by the key itself may come.
 * Certificates are refused unread: looking their revocation up would have this server
 * ask for any address that somebody wrote into one.
 */
function assertPlain([, helpers]: Library, answer: RegistrationAnswer): void {
  const bytes = Buffer.from(answer.response.attestationObject, 'base64url');
  const attestation = helpers.decodeAttestationObject(new Uint8Array(bytes));
  const format = attestation.get('fmt');
  const hasCertificates = attestation.get('attStmt').get('x5c') !== undefined;
  if (format === 'none' || (format === 'packed' && !hasCertificates)) return;
  throw new RefusedAnswer(`attestation ${format} was not asked for`);
}

/**
 * Checks the answer to a registration (WebAuthn Level 3, 7.1).
 * @param challenge the one that was issued, used up
 * @throws RefusedAnswer
 */
export const verifyRegistration = (
  party: RelyingParty,
  answer: RegistrationAnswer,
  challenge: string,
): Promise<ShownCredential> =>
  refusing(async () => {
    const library = await loadLibrary();
    const [server, helpers] = library;
    assertPlain(library, answer);
    const { verified, registrationInfo: info } = await server.verifyRegistrationResponse({
      response: answer as Parameters<typeof server.verifyRegistrationResponse>[0]['response'],
      expectedChallenge: challenge,
      expectedOrigin: [...party.origins],
      expectedRPID: party.id,
      requireUserVerification: true,
      supportedAlgorithmIDs: Object.values(ALGORITHMS),
    });
    if (!verified) throw new RefusedAnswer('the attestation is wrong');
    const { credential } = info;
    if (credential.id !== answer.id) throw new RefusedAnswer('ids of two credentials');
    const key = helpers.decodeCredentialPublicKey(credential.publicKey);
    if (!isUsableKey(key as unknown as ReadonlyMap<number, unknown>)) {
      throw new RefusedAnswer('no key that signatures can be checked by');
    }
    return {
      credentialId: Buffer.from(credential.id, 'base64url'),
      publicKey: Buffer.from(credential.publicKey),
      counter: credential.counter,
      transports: answer.response.transports.filter(isKnownTransport),
      aaguid: info.aaguid === NO_AAGUID ? null : info.aaguid,
      isSyncedType: info.credentialDeviceType === 'multiDevice',
      isBackedUp: info.credentialBackedUp,
    };
  });

/**
 * Checks an assertion (WebAuthn Level 3, 7.2) but for its counter, which is compared
 * where it is stored, and only of a signature that is right: whoever knows the id of a
 * credential must not have it disabled.
 * @throws RefusedAnswer
 */
export const verifyAssertion = (
  party: RelyingParty,
  answer: AssertionAnswer,
  challenge: string,
  credential: Credential,
): Promise<Shown> =>
  refusing(async () => {
    const [server] = await loadLibrary();
    const { verified, authenticationInfo: info } = await server.verifyAuthenticationResponse({
      response: answer as Parameters<typeof server.verifyAuthenticationResponse>[0]['response'],
      expectedChallenge: challenge,
      expectedOrigin: [...party.origins],
      expectedRPID: party.id,
      credential: {
        id: credential.credentialId.toString('base64url'),
        publicKey: new Uint8Array(credential.publicKey),
        counter: 0,
      },
      requireUserVerification: true,
    });
    if (!verified) throw new RefusedAnswer('the signature is wrong');
    const isSyncedType = info.credentialDeviceType === 'multiDevice';
    // Level 3, 7.2 step 20: this says of a key what it is for good.
    if (isSyncedType !== credential.isSyncedType) {
      throw new RefusedAnswer('backup eligibility has changed');
    }
    return {
      credentialId: credential.credentialId,
      counter: info.newCounter,
      isSyncedType,
      isBackedUp: info.credentialBackedUp,
    };
  });
