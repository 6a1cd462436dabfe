import {
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import { AppError } from '../../kernel/errors.ts';
import type { KeySets } from './key-sets.ts';
import type { TrustedIssuer } from './schema.ts';

/** What a client says the token is (RFC 8693 3). */
export type ForeignTokenType = 'access_token' | 'id_token' | 'jwt';

/** Longest token that is looked at, in characters. */
const LONGEST = 16_384;

/** Seconds by which the clocks of two issuers may differ. */
const CLOCK_TOLERANCE = 10;

/** Header members by which a token would choose its own key or its own rules (ASVS 9.1.3). */
const FORBIDDEN = ['jku', 'jwk', 'x5u', 'x5c', 'crit', 'b64'];

/**
 * The `typ` that each kind may have; a token without one is a plain JWT. A
 * logout token, a DPoP proof or a signed request is a JWT of the same issuer
 * too, and says so there (RFC 8725 3.11).
 */
const TYPES: Record<ForeignTokenType, readonly string[]> = {
  access_token: ['at+jwt', 'jwt'],
  id_token: ['jwt'],
  jwt: ['at+jwt', 'jwt'],
};

/** The token is not accepted; why is for the log and the client's developer, never a secret. */
export const refuse = (reason: string, cause?: unknown): AppError =>
  new AppError('IDENT_INVALID_CREDENTIALS', { detail: reason, log: { reason }, cause });

/**
 * Reads the issuer that a token claims to be of, and for whom, before anything is verified.
 * @throws AppError IDENT_INVALID_CREDENTIALS for what is no JWT, or of a kind that is not taken
 */
export function peekClaims(token: string, type: ForeignTokenType): { iss: string; aud: unknown } {
  if (token.length > LONGEST) throw refuse('the token is too long');
  try {
    const header = decodeProtectedHeader(token);
    if (FORBIDDEN.some((name) => Object.hasOwn(header, name))) {
      throw refuse('the header names a key or rules of its own');
    }
    const typ = (header.typ ?? 'JWT').toLowerCase().replace(/^application\//, '');
    if (!TYPES[type].includes(typ)) throw refuse('the token is of another type');
    const { iss, aud } = decodeJwt(token);
    if (typeof iss === 'string' && iss !== '') return { iss, aud };
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw refuse('the token is not a JWT', error);
  }
  throw refuse('the token names no issuer');
}

/** What of a token's claims cannot be right, though each is there. */
function assertSound(payload: JWTPayload, { audience }: TrustedIssuer): void {
  const { aud, azp, iat = 0, exp = 0 } = payload;
  if (exp <= iat) throw refuse('the token expires before it was issued');
  // OpenID Connect Core 3.1.3.7: of several audiences, the authorized party is the one it is for.
  if (Array.isArray(aud) && aud.length > 1 && azp !== undefined && !aud.includes(String(azp))) {
    if (azp !== audience) throw refuse('the token is for another party');
  }
}

/**
 * Verifies a token against one entry: signature, issuer, audience, time, age
 * (CVE-2026-55669, GHSA-wxg7-w2v3-w38g: none of them is optional).
 * @param now milliseconds since the epoch
 * @throws AppError IDENT_INVALID_CREDENTIALS; IDENT_FEDERATION_UNAVAILABLE when its
 *   keys cannot be had
 */
export async function verifyForeign(
  token: string,
  issuer: TrustedIssuer,
  { keySets, now }: { keySets: KeySets; now: number },
): Promise<JWTPayload> {
  const getKey: JWTVerifyGetKey = issuer.jwks
    ? createLocalJWKSet(issuer.jwks)
    : keySets.at(String(issuer.jwksUri));
  try {
    const { payload } = await jwtVerify(token, getKey, {
      issuer: issuer.issuer,
      audience: issuer.audience,
      algorithms: issuer.algs,
      requiredClaims: ['iss', 'aud', 'exp', 'iat', issuer.subjectClaim],
      maxTokenAge: issuer.maxTokenAge,
      clockTolerance: CLOCK_TOLERANCE,
      currentDate: new Date(now),
    });
    assertSound(payload, issuer);
    return payload;
  } catch (error) {
    if (error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired) {
      throw refuse(`the claim ${error.claim} is not acceptable`, error);
    }
    if (error instanceof errors.JOSEError) throw refuse('the signature is not valid', error);
    throw error;
  }
}
