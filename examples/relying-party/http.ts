import type { IncomingMessage, ServerResponse } from 'node:http';

/** Where this application is and how it behaves there. */
export interface Place {
  /** Origin without a slash at the end. */
  baseUrl: string;
  /** The origin that forms may lead to, beside our own. */
  issuerOrigin: string;
}

/**
 * Headers of every answer. `form-action` names the provider as well: browsers
 * apply it to the redirects that follow a form, and signing in is such a form.
 */
function setSecurityHeaders(response: ServerResponse, { issuerOrigin }: Place): void {
  const policy = [
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    `form-action 'self' ${issuerOrigin}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ];
  response.setHeader('content-security-policy', policy.join('; '));
  response.setHeader('x-content-type-options', 'nosniff');
  // Not `no-referrer`: with it browsers send `Origin: null` with our own forms.
  response.setHeader('referrer-policy', 'same-origin');
  response.setHeader('cache-control', 'no-store');
}

/** Sends a whole answer. */
export function send(
  response: ServerResponse,
  place: Place,
  answer: { status: number; type: string; body: string },
): void {
  setSecurityHeaders(response, place);
  response.writeHead(answer.status, {
    'content-type': answer.type,
    'content-length': Buffer.byteLength(answer.body),
  });
  response.end(answer.body);
}

/** Sends the browser elsewhere with GET, whatever it came with (RFC 9110 15.4.4). */
export function redirect(response: ServerResponse, place: Place, location: URL | string): void {
  setSecurityHeaders(response, place);
  response.writeHead(303, { location: String(location), 'content-length': 0 }).end();
}

/**
 * Whether a form was sent from a page of ours. Browsers say so themselves;
 * what is not a browser has no cookie that somebody else could abuse (CSRF).
 */
export function isFromOwnPage(request: IncomingMessage, { baseUrl }: Place): boolean {
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  const { origin } = request.headers;
  return origin === undefined || origin === new URL(baseUrl).origin;
}

/** The name that carries the session: the strictest kind that the address allows (RFC 6265bis). */
export function cookieName({ baseUrl }: Place): string {
  return baseUrl.startsWith('https:') ? '__Host-rp_session' : 'rp_session';
}

/** The session id that the browser sent. */
export function readSessionCookie(request: IncomingMessage, place: Place): string | undefined {
  const prefix = `${cookieName(place)}=`;
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(prefix))?.slice(prefix.length);
}

/** Gives the browser a session id; undefined takes it away. */
export function setSessionCookie(
  response: ServerResponse,
  place: Place,
  id: string | undefined,
): void {
  // Lax, not Strict: the provider sends the browser back to us, and the cookie must come along.
  const parts = [`${cookieName(place)}=${id ?? ''}`, 'Path=/', 'HttpOnly', 'SameSite=Lax'];
  if (place.baseUrl.startsWith('https:')) parts.push('Secure');
  if (id === undefined) parts.push('Max-Age=0');
  response.setHeader('set-cookie', parts.join('; '));
}
