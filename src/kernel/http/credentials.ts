import type { IncomingMessage } from 'node:http';
import type { CredentialScheme } from './actor.ts';
import { ChallengeError } from './challenge.ts';

/** A credential as it came in: well formed, not yet verified. */
export type Credentials =
  | { scheme: 'bearer'; token: string }
  | { scheme: 'dpop'; token: string; proof: string }
  | { scheme: 'basic'; user: string; password: string }
  | { scheme: 'api-key'; key: string };

/**
 * `auth-scheme 1*SP token68` and nothing else (RFC 9110 11.4). Scheme names are
 * case-insensitive there and in the ABNF of RFC 6750 2.1; a tab, a comma or a
 * second value is none of it (GHSA-gv94-wp4h-vv8p).
 */
const AUTHORIZATION = /^([A-Za-z][A-Za-z0-9-]{0,31}) +([A-Za-z0-9\-._~+/]+=*)$/;

/** Visible ASCII without separators that proxies join or split headers at. */
const API_KEY = /^[A-Za-z0-9\-._~+/=]{1,512}$/;

/** The longest credential that is looked at, in characters. */
const LONGEST = 16_384;

const utf8 = new TextDecoder('utf-8', { fatal: true });

function malformed(detail: string): ChallengeError {
  return new ChallengeError('IDENT_VALIDATION', { error: 'invalid_request' }, { detail });
}

/** Every value of a header; Node drops repetitions of some of them from `headers`. */
export function headerValues(request: IncomingMessage, name: string): string[] {
  const { rawHeaders } = request;
  const values: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === name) values.push(rawHeaders[index + 1] ?? '');
  }
  return values;
}

function oneHeader(request: IncomingMessage, name: string): string | undefined {
  const values = headerValues(request, name);
  if (values.length > 1) throw malformed(`The ${name} header is given more than once`);
  return values[0];
}

/** RFC 7617 2: base64 of UTF-8 `user:password`; anything loosely encoded is refused. */
function parseBasic(token: string): Credentials {
  const bytes = Buffer.from(token, 'base64');
  const unpadded = (text: string) => text.replace(/=+$/, '');
  if (unpadded(bytes.toString('base64')) !== unpadded(token)) {
    throw malformed('The Authorization header is not valid base64');
  }
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw malformed('The Authorization header is not valid UTF-8');
  }
  const colon = text.indexOf(':');
  if (colon < 1) throw malformed('The Authorization header is not of the form user:password');
  return { scheme: 'basic', user: text.slice(0, colon), password: text.slice(colon + 1) };
}

function parseAuthorization(request: IncomingMessage, header: string): Credentials | null {
  const match = header.length > LONGEST ? null : AUTHORIZATION.exec(header);
  const [, scheme = '', token = ''] = match ?? [];
  if (!match) throw malformed('The Authorization header is malformed');
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return { scheme: 'bearer', token };
    case 'dpop': {
      // RFC 9449 4.3: exactly one proof.
      const proof = oneHeader(request, 'dpop');
      if (!proof) throw malformed('A DPoP token needs one DPoP header');
      return { scheme: 'dpop', token, proof };
    }
    case 'basic':
      return parseBasic(token);
    default:
      return null;
  }
}

/**
 * Reads the credential of a request: one, in one header (RFC 6750 2: a client
 * must not use more than one way). Tokens in query or body are never read.
 * @param accepted the schemes that the route takes
 * @returns null when there is none, or one of another scheme
 * @throws ChallengeError IDENT_VALIDATION when a header is malformed, repeated or contradicted
 */
export function readCredentials(
  request: IncomingMessage,
  accepted: readonly CredentialScheme[],
): Credentials | null {
  const authorization = oneHeader(request, 'authorization');
  const key = oneHeader(request, 'x-api-key');
  if (authorization !== undefined && key !== undefined) {
    throw malformed('Use either Authorization or X-API-Key, not both');
  }
  if (key !== undefined) {
    if (!API_KEY.test(key)) throw malformed('The X-API-Key header is malformed');
    return accepted.includes('api-key') ? { scheme: 'api-key', key } : null;
  }
  if (authorization === undefined) return null;
  const credentials = parseAuthorization(request, authorization);
  return credentials && accepted.includes(credentials.scheme) ? credentials : null;
}
