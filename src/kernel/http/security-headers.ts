import type { Middleware } from 'koa';

/**
 * Content Security Policy of every page. There is no `form-action`: browsers
 * apply it to the redirect after a form as well, and sign-in ends at the client.
 * A page with the logo of a tenant or an application allows its origin besides.
 */
export const PAGE_CSP =
  "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; " +
  "base-uri 'none'; frame-ancestors 'none'; object-src 'none'";

/** Two years, as browsers' preload lists ask; subdomains as ASVS 3.4.1 asks at level 2. */
const HSTS = 'max-age=63072000; includeSubDomains';

const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': PAGE_CSP,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy':
    'camera=(), geolocation=(), microphone=(), payment=(), usb=(), ' +
    'publickey-credentials-get=(self), publickey-credentials-create=(self)',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

/**
 * Headers that every answer carries (ASVS 3.4). What comes later may replace one.
 * @param options `issuer` decides on Strict-Transport-Security (RFC 6797 7.2: not over http)
 */
export function securityHeaders(options: { issuer: string }): Middleware {
  const secure = options.issuer.startsWith('https:');
  const headers = Object.entries(
    secure ? { ...HEADERS, 'Strict-Transport-Security': HSTS } : HEADERS,
  );
  return (ctx, next) => {
    // Straight to Node: `ctx.set` of an object makes arrays of it for every request.
    for (const [name, value] of headers) ctx.res.setHeader(name, value);
    return next();
  };
}
