import type { Middleware } from 'koa';
import { AppError } from '../kernel/errors.ts';
import { readBytes, requestFacts } from '../kernel/http/index.ts';

/** Where a request of the browser may come by POST as well as by GET. */
const PATHS = new Set(['/authorize', '/logout']);

/**
 * Bytes of a request at most, in its body and as the query that it becomes: a
 * longer one would not fit the headers that the server reads. Whoever has more
 * to say pushes it (RFC 9126).
 */
const LARGEST = 10 * 1024;

/**
 * OpenID Connect Core 3.1.2.1 and RP-Initiated Logout 2 want POST beside GET.
 * A form from another site brings none of our SameSite cookies, so the browser
 * is sent on to the same request by GET, with which it does.
 */
export function postedRequests(): Middleware {
  return async (ctx, next) => {
    if (ctx.method !== 'POST' || !PATHS.has(ctx.path)) return next();
    requestFacts(ctx.req).route = ctx.path;
    const [type = ''] = ctx.get('content-type').split(';');
    if (type.trim().toLowerCase() !== 'application/x-www-form-urlencoded') {
      throw new AppError('IDENT_UNSUPPORTED_MEDIA_TYPE');
    }
    const body = await readBytes(ctx.req, LARGEST);
    const query = new URLSearchParams(body.toString('utf8')).toString();
    if (query.length > LARGEST) throw new AppError('IDENT_PAYLOAD_TOO_LARGE');
    ctx.set('Cache-Control', 'no-store');
    ctx.status = 303;
    ctx.redirect(`${ctx.path}?${query}`);
  };
}
