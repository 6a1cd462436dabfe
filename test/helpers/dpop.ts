import { createHash, randomUUID } from 'node:crypto';
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';

/** What of a proof a test may get wrong on purpose; undefined leaves a claim out. */
export interface ProofParts {
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
  /** The key that signs, where it is not the one in the header. */
  signingKey?: CryptoKey;
}

export interface DpopKey {
  /** RFC 7638, as in `cnf.jkt`. */
  thumbprint: string;
  /** A proof for one request (RFC 9449 4.2); with `accessToken` for a resource. */
  prove(
    request: { method: string; url: string; accessToken?: string; nonce?: string | undefined },
    parts?: ProofParts,
  ): Promise<string>;
}

/** A client's key for DPoP proofs. */
export async function createDpopKey(alg = 'ES256'): Promise<DpopKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg);
  const jwk = await exportJWK(publicKey);
  return {
    thumbprint: await calculateJwkThumbprint(jwk),
    prove({ method, url, accessToken, nonce }, { claims = {}, header = {}, signingKey } = {}) {
      const ath =
        accessToken && createHash('sha256').update(accessToken).digest().toString('base64url');
      const all = {
        jti: randomUUID(),
        htm: method,
        htu: url,
        iat: Math.floor(Date.now() / 1000),
        ath,
        nonce,
        ...claims,
      };
      const present = Object.entries(all).filter(([, value]) => value !== undefined);
      return new SignJWT(Object.fromEntries(present))
        .setProtectedHeader({ typ: 'dpop+jwt', alg, jwk, ...header })
        .sign(signingKey ?? privateKey);
    },
  };
}
