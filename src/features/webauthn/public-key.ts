import { createPublicKey, type JsonWebKey } from 'node:crypto';

/** COSE algorithms that are offered and taken, the preferred first: ES256, EdDSA, RS256. */
export const ALGORITHMS = { es256: -7, eddsa: -8, rs256: -257 } as const;

/** Members of a COSE_Key (RFC 9052 7, RFC 9053 7, RFC 8230 4). */
const KTY = 1;
const ALG = 3;
const CURVE = -1;
const X = -2;
const Y = -3;
const MODULUS = -1;
const EXPONENT = -2;

/** RSA keys have 2048 bits at least, in bytes. */
const SHORTEST_MODULUS = 256;

type Cose = ReadonlyMap<number, unknown>;

const text = (value: unknown): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString('base64url') : '';

/** The key as a JWK, where kind, curve and algorithm are of one piece; else undefined. */
function toJwk(key: Cose): JsonWebKey | undefined {
  const [kty, alg] = [key.get(KTY), key.get(ALG)];
  if (alg === ALGORITHMS.es256 && kty === 2 && key.get(CURVE) === 1) {
    return { kty: 'EC', crv: 'P-256', x: text(key.get(X)), y: text(key.get(Y)) };
  }
  if (alg === ALGORITHMS.eddsa && kty === 1 && key.get(CURVE) === 6) {
    return { kty: 'OKP', crv: 'Ed25519', x: text(key.get(X)) };
  }
  const modulus = key.get(MODULUS);
  const isLong = modulus instanceof Uint8Array && modulus.length >= SHORTEST_MODULUS;
  if (alg === ALGORITHMS.rs256 && kty === 3 && isLong) {
    return { kty: 'RSA', n: text(modulus), e: text(key.get(EXPONENT)) };
  }
  return undefined;
}

/**
 * Whether signatures can be checked by a key: without attestation nothing else looks at
 * it before the first sign-in, and a key of one algorithm must not stand for another.
 */
export function isUsableKey(key: Cose): boolean {
  const jwk = toJwk(key);
  if (!jwk) return false;
  try {
    createPublicKey({ key: jwk, format: 'jwk' });
    return true;
  } catch {
    return false;
  }
}
