import type { Middleware } from 'koa';
import { AppError } from '../kernel/errors.ts';
import { type Log, requestFacts, toAppError } from '../kernel/http/index.ts';
import type { ErrorPages } from './error-pages.ts';

/** A page was asked for, so errors are pages too; everything else wants JSON. */
const wantsPage = (ctx: Parameters<Middleware>[0]): boolean =>
  ctx.accepts('json', 'html') === 'html' || ctx.path.startsWith('/interaction/');

/** Answers errors from further in with a page, where a page was asked for. */
export function pageErrors(options: { pages: ErrorPages; log: Log }): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (thrown) {
      if (!wantsPage(ctx) || ctx.headerSent) throw thrown;
      // The engine's word for a sign-in that is over, or begun in another browser.
      if ((thrown as Error)?.name === 'SessionNotFound') {
        return options.pages.expired(ctx, ctx.path.split('/')[2] ?? '');
      }
      const error = toAppError(thrown);
      requestFacts(ctx.req).errorCode = error.code;
      const fields = { code: error.code, status: error.status, ...error.options.log };
      if (error.status >= 500) options.log.error({ ...fields, err: error }, 'page failed');
      else options.log.info(fields, 'page refused');
      await options.pages.failure(ctx, error);
    }
  };
}

/** The last step: nothing serves this path. */
export function pageNotFound(options: { pages: ErrorPages }): Middleware {
  return async (ctx) => {
    if (ctx.accepts('json', 'html') === 'html') return options.pages.notFound(ctx);
    throw new AppError('IDENT_NOT_FOUND');
  };
}
