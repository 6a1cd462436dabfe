import type { Context } from 'koa';

/** Request headers that scripts of other origins may send, beside the safelisted ones (Fetch 4.8). */
const REQUEST_HEADERS = [
  'Authorization',
  'Content-Type',
  'DPoP',
  'Idempotency-Key',
  'If-Match',
  'Traceparent',
  'X-Request-Id',
];

/** Response headers that they may read. */
const RESPONSE_HEADERS = [
  'DPoP-Nonce',
  'ETag',
  'Location',
  'RateLimit-Limit',
  'RateLimit-Policy',
  'RateLimit-Remaining',
  'RateLimit-Reset',
  'Retry-After',
  'WWW-Authenticate',
  'X-Request-Id',
];

/** Seconds that a browser keeps the answer to a preflight. */
const PREFLIGHT_AGE = '600';

/**
 * Lets scripts of these origins read answers of the API. Credentials are never
 * among what is allowed: cookies mean nothing here, a token comes in a header, so
 * that no origin acts with more than it was given. Origins are named one by one
 * all the same: a page of anybody's could otherwise try passwords from the
 * addresses of its visitors.
 */
export function shareWith(ctx: Context, origins: ReadonlySet<string>): void {
  if (origins.size === 0) return;
  ctx.vary('Origin');
  const origin = ctx.get('Origin');
  if (!origins.has(origin)) return;
  ctx.set('Access-Control-Allow-Origin', origin);
  ctx.set('Access-Control-Expose-Headers', RESPONSE_HEADERS.join(', '));
}

/** Completes the answer to a preflight, where the origin is one of those. */
export function answerPreflight(ctx: Context, methods: Iterable<string>): void {
  if (!ctx.response.get('Access-Control-Allow-Origin')) return;
  ctx.set('Access-Control-Allow-Methods', [...methods].join(', '));
  ctx.set('Access-Control-Allow-Headers', REQUEST_HEADERS.join(', '));
  ctx.set('Access-Control-Max-Age', PREFLIGHT_AGE);
}
