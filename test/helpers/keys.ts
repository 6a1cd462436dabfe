import { createHash, randomUUID } from 'node:crypto';
import {
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  SignJWT,
} from 'jose';

/** A key pair of a client, and its JWKS as registered. */
export interface ClientKeys {
  alg: string;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
  publicJwk: JWK;
  jwks: { keys: JWK[] };
}

/** A new key pair for an algorithm of JWS, or of JWE with `use` enc. */
export async function createKeys(alg: string, use: 'sig' | 'enc' = 'sig'): Promise<ClientKeys> {
  const pair = await generateKeyPair(alg, { extractable: true });
  // Ed25519 goes by two names (RFC 9864 2.2); a key that says neither serves both.
  const named = alg === 'EdDSA' ? {} : { alg };
  const publicJwk = { ...(await exportJWK(pair.publicKey)), ...named, use, kid: randomUUID() };
  return { alg, ...pair, publicJwk, jwks: { keys: [publicJwk] } };
}

/** Seconds since the epoch, by the clock that the engine reads. */
export const epoch = (): number => Math.floor(Date.now() / 1000);

/** A JWT of a client; a claim that is undefined is left out. */
export function signJwt(
  { alg, privateKey, publicJwk }: Pick<ClientKeys, 'alg' | 'privateKey' | 'publicJwk'>,
  claims: Record<string, unknown>,
  header: Partial<JWTHeaderParameters> = {},
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg, ...(publicJwk.kid ? { kid: publicJwk.kid } : {}), ...header })
    .sign(privateKey);
}

/** A client assertion (RFC 7523 3) that lives for a minute, as form fields. */
export async function assertionOf(
  keys: ClientKeys,
  clientId: string,
  audience: string,
  changes: Record<string, unknown> = {},
): Promise<Record<string, string>> {
  const claims = {
    iss: clientId,
    sub: clientId,
    aud: audience,
    jti: randomUUID(),
    iat: epoch(),
    exp: epoch() + 60,
    ...changes,
  };
  return {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await signJwt(keys, claims),
  };
}

/** What a DPoP proof is for, and what is to be wrong about it. */
export interface Proof {
  method: string;
  url: string;
  accessToken?: string;
  nonce?: string;
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
}

/** A DPoP proof (RFC 9449 4.2). */
export async function dpopProof(keys: ClientKeys, proof: Proof): Promise<string> {
  const { kid: _kid, alg: _alg, use: _use, ...jwk } = keys.publicJwk;
  const claims = {
    jti: randomUUID(),
    htm: proof.method,
    htu: proof.url,
    iat: epoch(),
    ...(proof.nonce === undefined ? {} : { nonce: proof.nonce }),
    ...(proof.accessToken === undefined
      ? {}
      : { ath: createHash('sha256').update(proof.accessToken).digest('base64url') }),
    ...proof.claims,
  };
  return new SignJWT(claims)
    .setProtectedHeader({ typ: 'dpop+jwt', alg: keys.alg, jwk, ...proof.header })
    .sign(keys.privateKey);
}
