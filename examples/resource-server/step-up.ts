import type { JWTPayload } from 'jose';

/**
 * Step-up (RFC 9470): some actions ask for a stronger or fresher sign-in than
 * reading does. The API says so in its challenge, the client repeats its
 * authorization request with those values, and the person signs in again.
 */

/** What the authentication behind a token must have been like. */
export interface StepUp {
  /** Authentication context classes (`acr`), any of which will do. */
  acrValues?: readonly string[];
  /** Seconds since the person signed in, at most. */
  maxAge?: number;
}

/** The parameters that a challenge carries beside its error (RFC 9470 3). */
export interface StepUpParameters {
  acr_values?: string;
  max_age?: string;
}

/** Seconds by which the clocks of two computers may differ. */
const CLOCK_TOLERANCE = 5;

/**
 * @param claims of an access token that was found valid (`acr`, `auth_time`: RFC 9470 6)
 * @param now seconds since the epoch
 * @returns what to ask the client for, or undefined when the authentication will do
 */
export function findStepUp(
  claims: JWTPayload,
  need: StepUp,
  now = Math.floor(Date.now() / 1000),
): StepUpParameters | undefined {
  const { acrValues, maxAge } = need;
  const { acr, auth_time: authTime } = claims;
  const isStrong = !acrValues || (typeof acr === 'string' && acrValues.includes(acr));
  const isFresh =
    maxAge === undefined ||
    (typeof authTime === 'number' && now - authTime <= maxAge + CLOCK_TOLERANCE);
  if (isStrong && isFresh) return undefined;
  return {
    ...(acrValues ? { acr_values: acrValues.join(' ') } : {}),
    ...(maxAge === undefined ? {} : { max_age: String(maxAge) }),
  };
}
