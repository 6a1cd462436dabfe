import { type Client, errors } from 'oidc-provider';
import { fapiAlgs } from './algorithms.ts';
import { readExtensions } from './clients/extensions.ts';

/**
 * What the FAPI 2.0 Security Profile asks of a client beyond what the engine
 * sees to; a client has it by `profile: "fapi2"` in its registration.
 */

/** Seconds that a JWT may be ahead of our clock (FAPI 2.0 Security Profile 5.3.2.1). */
const MOST_AHEAD = 60;

/** Seconds between the start and the end of a signed request (FAPI 2.0 Message Signing 5.3.1). */
const LONGEST_REQUEST = 3_600;

const AUTH_METHODS = ['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'];

export const isFapi = (client: Client | undefined): boolean =>
  client !== undefined && readExtensions(client).profile === 'fapi2';

type Metadata = Record<string, unknown>;

const isAllowedAlg = (value: unknown): boolean =>
  value === undefined || fapiAlgs.includes(String(value));

/** Whether nobody on the way can read what is sent there: HTTPS, or the same machine. */
function isProtected(uri: unknown): boolean {
  const url = typeof uri === 'string' ? URL.parse(uri) : null;
  if (url?.protocol !== 'http:') return url !== null;
  return ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** The rules, each with the member that it is about and its words after that member's name. */
const rules: [member: string, problem: string, isBroken: (metadata: Metadata) => boolean][] = [
  [
    'token_endpoint_auth_method',
    `must be one of ${AUTH_METHODS.join(', ')}`,
    (metadata) => !AUTH_METHODS.includes(String(metadata.token_endpoint_auth_method)),
  ],
  [
    'dpop_bound_access_tokens',
    'or tls_client_certificate_bound_access_tokens must be true',
    (metadata) =>
      metadata.dpop_bound_access_tokens !== true &&
      metadata.tls_client_certificate_bound_access_tokens !== true,
  ],
  [
    'response_types',
    'must hold "code" only',
    ({ response_types }) => listOf(response_types).some((type) => type !== 'code'),
  ],
  [
    'grant_types',
    'must not hold "implicit"',
    ({ grant_types }) => listOf(grant_types).includes('implicit'),
  ],
  [
    'redirect_uris',
    'must be https, or http on the loopback interface',
    ({ redirect_uris }) => !listOf(redirect_uris).every(isProtected),
  ],
  ...[
    'token_endpoint_auth_signing_alg',
    'request_object_signing_alg',
    'id_token_signed_response_alg',
    'userinfo_signed_response_alg',
    'access_token_signed_response_alg',
  ].map((member): (typeof rules)[number] => [
    member,
    `must be one of ${fapiAlgs.join(', ')}`,
    (metadata) => !isAllowedAlg(metadata[member]),
  ]),
];

/**
 * Fills in what the profile implies and refuses what contradicts it.
 *
 * @param metadata as registered, defaults filled in; changed in place
 * @throws InvalidClientMetadata naming the member that is wrong
 */
export function applyFapiProfile(metadata: Metadata): void {
  metadata.require_pushed_authorization_requests = true;
  metadata.access_token_signed_response_alg ??= 'ES256';
  for (const [member, problem, isBroken] of rules) {
    if (isBroken(metadata)) {
      throw new errors.InvalidClientMetadata(`${member} ${problem} with the profile fapi2`);
    }
  }
  // Nobody asks for these by leaving them out; they follow what was asked for.
  for (const member of ['authorization_signed_response_alg', 'introspection_signed_response_alg']) {
    if (!isAllowedAlg(metadata[member])) metadata[member] = metadata.id_token_signed_response_alg;
  }
}

interface Header {
  alg?: unknown;
}

interface Claims {
  aud?: unknown;
  exp?: unknown;
  iat?: unknown;
  nbf?: unknown;
}

/** Whether a JWT says that it was made further ahead than clocks differ. */
export const isFromTheFuture = ({ iat }: Claims): boolean =>
  typeof iat === 'number' && iat > Date.now() / 1000 + MOST_AHEAD;

/**
 * A client assertion is for the issuer alone, which a client cannot be made to
 * mistake for another server's endpoint (FAPI 2.0 Security Profile 5.3.2.1).
 *
 * @throws InvalidClientAuth
 */
export function assertFapiAssertion({ aud }: Claims, { alg }: Header, issuer: string): void {
  if (aud !== issuer) {
    throw new errors.InvalidClientAuth('audience (aud) must equal the issuer identifier url');
  }
  if (!fapiAlgs.includes(String(alg))) throw new errors.InvalidClientAuth('alg mismatch');
}

/**
 * A signed request lives for an hour at most (FAPI 2.0 Message Signing 5.3.1).
 *
 * @throws InvalidRequestObject
 */
export function assertFapiRequest({ aud, exp, nbf }: Claims): void {
  if (aud === undefined || typeof exp !== 'number' || typeof nbf !== 'number') {
    throw new errors.InvalidRequestObject('Request Object must have the claims aud, exp and nbf');
  }
  if (exp <= nbf || exp - nbf > LONGEST_REQUEST || nbf < Date.now() / 1000 - LONGEST_REQUEST) {
    throw new errors.InvalidRequestObject('Request Object must live for an hour at most');
  }
}

/** @throws InvalidRequestObject for an algorithm that the profile does not allow */
export function assertFapiRequestAlg({ alg }: Header): void {
  if (!fapiAlgs.includes(String(alg))) {
    throw new errors.InvalidRequestObject('unsupported signed request alg');
  }
}
