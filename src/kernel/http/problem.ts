import type { Context, Middleware } from 'koa';
import { AppError, type ErrorCode, toProblem } from '../errors.ts';
import { ChallengeError, formatChallenge } from './challenge.ts';
import { isDependencyFailure } from './dependency-failure.ts';
import type { Log } from './log.ts';
import { requestFacts } from './request-facts.ts';

/** Seconds after which a caller may try again, where the error does not say. */
const RETRY_AFTER: Readonly<Record<number, number>> = { 423: 60, 429: 60, 503: 5 };

/** What Koa and its middleware throw as http-errors, in our catalogue. */
const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'IDENT_VALIDATION',
  401: 'IDENT_UNAUTHENTICATED',
  403: 'IDENT_FORBIDDEN',
  404: 'IDENT_NOT_FOUND',
  405: 'IDENT_METHOD_NOT_ALLOWED',
  413: 'IDENT_PAYLOAD_TOO_LARGE',
  415: 'IDENT_UNSUPPORTED_MEDIA_TYPE',
  429: 'IDENT_RATE_LIMITED',
  503: 'IDENT_UNAVAILABLE',
};

/**
 * The catalogue entry for anything thrown. A ZodError that gets here is ours,
 * not the caller's: input is validated by the API, which words it for the caller.
 */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (isDependencyFailure(error)) {
    return new AppError('IDENT_UNAVAILABLE', { cause: error });
  }
  const { status, expose } = (error ?? {}) as { status?: unknown; expose?: unknown };
  const code = expose === true && typeof status === 'number' ? BY_STATUS[status] : undefined;
  return new AppError(code ?? 'IDENT_INTERNAL', { cause: error });
}

function logError(log: Log, error: AppError): void {
  const { code, status, options } = error;
  const fields = { code, status, ...options.log };
  if (status === 503) log.warn({ ...fields, err: error }, 'unavailable');
  else if (status >= 500) log.error({ ...fields, err: error }, 'internal error');
  else if (options.log) log.info(fields, 'refused');
}

/** Writes an error as an RFC 9457 problem document with the headers that belong to it. */
export function sendProblem(ctx: Context, error: AppError): void {
  const facts = requestFacts(ctx.req);
  facts.errorCode = error.code;
  for (const name of ['Content-Length', 'Content-Disposition', 'ETag', 'Last-Modified']) {
    ctx.remove(name);
  }
  if (error.status === 401 || error instanceof ChallengeError) {
    // RFC 9110 15.5.2: every 401 names a scheme.
    const challenges =
      error instanceof ChallengeError ? [error.challenge, ...error.alternatives] : [{}];
    // One field each: a list in one field is what parsers get wrong.
    ctx.set('WWW-Authenticate', challenges.map(formatChallenge));
  }
  if (error instanceof ChallengeError) ctx.set(error.headers);
  if (error.options.headers) ctx.set(error.options.headers);
  const { retryAfter = RETRY_AFTER[error.status] } = error.options;
  if (retryAfter !== undefined) ctx.set('Retry-After', String(Math.max(1, Math.ceil(retryAfter))));
  // The rest of an oversized body is not waited for.
  if (error.code === 'IDENT_PAYLOAD_TOO_LARGE') ctx.set('Connection', 'close');
  ctx.set('Cache-Control', 'no-store');
  ctx.set('Content-Type', 'application/problem+json');
  ctx.body = JSON.stringify(toProblem(error, { instance: ctx.path, requestId: facts.requestId }));
  ctx.status = error.status;
}

/**
 * Answers every error from further in as a problem document (RFC 9457). The
 * cause goes to the log, never into the answer. Pages with an error page of
 * their own catch before this does.
 */
export function problems(options: { log: Log }): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (thrown) {
      const error = toAppError(thrown);
      logError(options.log, error);
      // Too late to say anything: an answer cut short is the only honest one.
      if (ctx.headerSent) ctx.res.destroy();
      else sendProblem(ctx, error);
    }
  };
}
