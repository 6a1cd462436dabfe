import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';

const generate = promisify(generateKeyPair);

/** Algorithms that every installation has keys for. */
export const standardAlgs = ['RS256', 'ES256', 'EdDSA'] as const;

/** Algorithms for those who test them (ML-DSA: FIPS 204); only where they are configured. */
export const experimentalAlgs = ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'] as const;

export type SigningAlg = (typeof standardAlgs)[number] | (typeof experimentalAlgs)[number];

/** RSA moduli that are taken, in bits: NIST SP 800-131A at least, and no signature of a second. */
const RSA_BITS = { least: 2_048, most: 8_192 };

async function generateKey(alg: SigningAlg): Promise<KeyObject> {
  switch (alg) {
    case 'RS256':
      return (await generate('rsa', { modulusLength: RSA_BITS.least })).privateKey;
    case 'ES256':
      return (await generate('ec', { namedCurve: 'P-256' })).privateKey;
    case 'EdDSA':
      return (await generate('ed25519')).privateKey;
    case 'ML-DSA-44':
      return (await generate('ml-dsa-44')).privateKey;
    case 'ML-DSA-65':
      return (await generate('ml-dsa-65')).privateKey;
    case 'ML-DSA-87':
      return (await generate('ml-dsa-87')).privateKey;
  }
}

/** Members that a thumbprint is made of, by key type (RFC 7638 3.2, RFC 8037 2; AKP alike). */
const THUMBPRINT_MEMBERS: Record<string, string[]> = {
  RSA: ['e', 'kty', 'n'],
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  AKP: ['alg', 'kty', 'pub'],
};

/** The JWK thumbprint (RFC 7638) of a public key: the kid of keys that we make. */
export function thumbprint(jwk: Record<string, string>): string {
  const members = THUMBPRINT_MEMBERS[jwk.kty ?? ''] ?? [];
  const canonical = JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]])));
  return createHash('sha256').update(canonical).digest('base64url');
}

/**
 * The public half as published in the JWKS (RFC 7517 4).
 * @param kid default: the thumbprint
 */
export function publicJwkOf(
  privateKey: KeyObject,
  alg: SigningAlg,
  kid?: string,
): Record<string, string> {
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' }) as Record<string, string>;
  return { ...jwk, kid: kid ?? thumbprint(jwk), alg, use: 'sig' };
}

/**
 * Makes a private key whose kid is its thumbprint and does not begin with a dash:
 * on a command line that would be an option.
 */
export async function makeKey(alg: SigningAlg): Promise<KeyObject> {
  for (;;) {
    const key = await generateKey(alg);
    if (!publicJwkOf(key, alg).kid?.startsWith('-')) return key;
  }
}

/** What is wrong with a key that somebody wants to import, in words. */
export class KeyRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'KeyRefused';
  }
}

function rsaAlg(key: KeyObject): SigningAlg {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < RSA_BITS.least || modulusLength > RSA_BITS.most) {
    const range = `between ${RSA_BITS.least} and ${RSA_BITS.most}`;
    throw new KeyRefused(`the RSA key has ${modulusLength} bits: it must have ${range}`);
  }
  if (publicExponent < 65_537n) {
    throw new KeyRefused(
      `the RSA key has the public exponent ${publicExponent}: 65537 is the least`,
    );
  }
  return 'RS256';
}

/**
 * The algorithm that a key signs with.
 * @throws KeyRefused for a key that none of ours can use, or that is too weak
 */
export function algOf(key: KeyObject): SigningAlg {
  const type = String(key.asymmetricKeyType);
  if (type === 'rsa') return rsaAlg(key);
  if (type === 'ed25519') return 'EdDSA';
  if (type === 'ec') {
    const curve = key.asymmetricKeyDetails?.namedCurve;
    if (curve === 'prime256v1') return 'ES256';
    throw new KeyRefused(`the curve ${curve} is not served: ES256 needs P-256 (prime256v1)`);
  }
  const experimental = experimentalAlgs.find((alg) => alg.toLowerCase() === type);
  if (experimental) return experimental;
  throw new KeyRefused(`a key of type ${type} is not served: RSA, EC P-256 and Ed25519 are`);
}

/**
 * A private key from PEM: PKCS#1, SEC 1 or PKCS#8, not encrypted.
 * @throws KeyRefused
 */
export function readPem(pem: string): KeyObject {
  if (/ENCRYPTED/.test(pem)) {
    throw new KeyRefused('the key is encrypted: decrypt it first with: openssl pkey -in … -out …');
  }
  if (!/PRIVATE KEY-----/.test(pem)) {
    throw new KeyRefused('there is no private key in PEM form (-----BEGIN … PRIVATE KEY-----)');
  }
  try {
    return createPrivateKey({ key: pem, format: 'pem' });
  } catch {
    throw new KeyRefused('the private key cannot be read: it is damaged, or of an unknown kind');
  }
}
