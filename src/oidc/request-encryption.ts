import { createECDH, createHmac, type ECDH } from 'node:crypto';
import { thumbprint } from './keys/material.ts';

/** A key that request objects are encrypted to, as a JWK (RFC 7517 4). */
export interface EncryptionKey {
  /** With the private part: for the engine. */
  own: Record<string, string>;
  /** For the JWKS. */
  published: Record<string, string>;
}

const CURVE = 'prime256v1';

/** The first number that the secret gives and that is a key of the curve; all but always the first. */
function makePair(secret: Buffer): ECDH {
  const pair = createECDH(CURVE);
  for (let round = 0; ; round += 1) {
    try {
      pair.setPrivateKey(createHmac('sha256', secret).update(`request-objects ${round}`).digest());
      return pair;
    } catch (error) {
      // Once in 2^32: as large as the order of the curve.
      if (round > 10) throw error;
    }
  }
}

/**
 * The P-256 key for encrypted request objects (RFC 9101 6.1): made of a server
 * secret, so that every process has the same and none is kept beside.
 */
export function requestEncryptionKey(secret: Buffer): EncryptionKey {
  const pair = makePair(secret);
  const point = pair.getPublicKey();
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((half) =>
    half.toString('base64url'),
  ) as [string, string];
  const jwk = { kty: 'EC', crv: 'P-256', x, y };
  const published = { ...jwk, kid: thumbprint(jwk), alg: 'ECDH-ES', use: 'enc' };
  // Leading zeros belong to it (RFC 7518 6.2.2.1).
  const d = Buffer.concat([Buffer.alloc(32), pair.getPrivateKey()]).subarray(-32);
  return { own: { ...published, d: d.toString('base64url') }, published };
}
