import { isDeepStrictEqual } from 'node:util';
import { errors, type KoaContextWithOIDC } from 'oidc-provider';

/** One thing that a client asks to be allowed (RFC 9396 2); the engine has checked its shape. */
export interface AuthorizationDetail {
  type: string;
  actions?: string[];
  locations?: string[];
  datatypes?: string[];
  privileges?: string[];
  identifier?: string;
  [member: string]: unknown;
}

/** Longest parameter, in characters: it goes into the token, and that into headers. */
const LONGEST = 4_096;
const MOST_DETAILS = 10;
const MOST_MEMBERS = 20;
const LONGEST_TEXT = 500;
const DEEPEST = 4;

const refuse = (problem: string): never => {
  throw new errors.InvalidAuthorizationDetails(problem);
};

/** Holds every value to a size that a person can be shown. */
function assertBounded(value: unknown, depth = 0): void {
  if (typeof value === 'string' && value.length > LONGEST_TEXT) refuse('a text is too long');
  if (typeof value !== 'object' || value === null) return;
  const entries = Object.entries(value);
  if (depth >= DEEPEST) refuse('authorization details are too deep');
  if (entries.length > MOST_MEMBERS) refuse('authorization details have too many members');
  for (const [name, member] of entries) {
    assertBounded(name, depth + 1);
    assertBounded(member, depth + 1);
  }
}

/** The details that a request asks for; none where it asks for none. */
export const requestedDetails = (parameter: unknown): AuthorizationDetail[] =>
  typeof parameter === 'string' ? (JSON.parse(parameter) as AuthorizationDetail[]) : [];

/**
 * Checks one detail, after the engine has found its type known and its shape right.
 *
 * @throws InvalidAuthorizationDetails (RFC 9396 5)
 */
export function assertDetail(ctx: KoaContextWithOIDC, detail: unknown): void {
  const parameter = String(ctx.oidc.params?.authorization_details);
  if (parameter.length > LONGEST) refuse('authorization_details is too long');
  if (requestedDetails(parameter).length > MOST_DETAILS) refuse('too many authorization details');
  // Nobody is shown them there, so that nobody could allow them.
  if (ctx.oidc.route === 'backchannel_authentication') refuse('not offered with CIBA');
  assertBounded(detail);
  const { locations = [] } = detail as AuthorizationDetail;
  if (!locations.every((location) => URL.canParse(location))) {
    refuse("'locations' must be absolute URIs");
  }
}

/**
 * What a token holds of what was granted: all of it, or the part that the token
 * request names (RFC 9396 6).
 *
 * @param granted undefined where no person was asked: the client's registration,
 *   which the engine has checked, allows the types then
 * @throws InvalidAuthorizationDetails for what was not granted
 */
export function detailsForToken(
  granted: AuthorizationDetail[] | undefined,
  asked: AuthorizationDetail[],
): AuthorizationDetail[] | undefined {
  if (asked.length === 0) return granted;
  if (!granted) return asked;
  for (const detail of asked) {
    if (!granted.some((one) => isDeepStrictEqual(one, detail))) {
      refuse('authorization details were not granted');
    }
  }
  return asked;
}
