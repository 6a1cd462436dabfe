import type { Context, Middleware } from 'koa';
import { headerValues, PAGE_CSP, requestFacts } from '../kernel/http/index.ts';
import { runWithRequestCache } from './adapter/index.ts';
import { toProtocolError } from './dependency-errors.ts';
import type { EngineHost } from './host.ts';

/** First segments of the engine's paths: labels of metrics, from a bounded set. */
const ROUTES = new Map(
  [
    '/authorize',
    '/ciba',
    '/device',
    '/device_authorization',
    '/introspect',
    '/logout',
    '/par',
    '/register',
    '/revoke',
    '/token',
    '/userinfo',
  ].map((path) => [path.slice(1), path]),
);

const UNAVAILABLE = 503;

/** Seconds after which a store that went away may be back. */
const RETRY_AFTER = 5;

/** Headers of an answer that must not outlive it. */
const LEFT_BEHIND = ['Location', 'Set-Cookie', 'Content-Type', 'Content-Language'];

/** Node keeps the first of two such headers and a proxy may read the last (GHSA-gv94-wp4h-vv8p). */
function refuseTwoCredentials(ctx: Context): void {
  ctx.status = 400;
  ctx.set('Cache-Control', 'no-store');
  ctx.body = {
    error: 'invalid_request',
    error_description: 'the Authorization header must be given once only',
  };
}

/**
 * What was put off can fail after the engine has written its answer: a code or
 * token that another request consumed first, a store that went away. Then this
 * replaces that answer, which nobody has seen.
 * @throws what is no error of the protocol
 */
function answerLateError(ctx: Context, thrown: unknown): void {
  const error = toProtocolError(thrown);
  if (!error || ctx.headerSent) throw thrown;
  for (const name of LEFT_BEHIND) ctx.remove(name);
  ctx.set('Content-Security-Policy', PAGE_CSP);
  ctx.status = error.statusCode;
  ctx.set('Cache-Control', 'no-store');
  ctx.body = {
    error: error.error,
    ...(error.error_description ? { error_description: error.error_description } : {}),
  };
}

/**
 * Serves what the engine serves. Each request has a cache of what its
 * statements read, and what was put off is written before the answer goes out.
 */
export const serveEngine =
  (engine: EngineHost): Middleware =>
  async (ctx, next) => {
    const route = ROUTES.get(ctx.path.split('/', 2)[1] ?? '');
    if (!route) return next();
    requestFacts(ctx.req).route = route;
    if (headerValues(ctx.req, 'authorization').length > 1) return refuseTwoCredentials(ctx);
    try {
      await runWithRequestCache(async () => {
        await engine.middleware(ctx, next);
      });
    } catch (error) {
      answerLateError(ctx, error);
    }
    if (ctx.status === UNAVAILABLE) ctx.set('Retry-After', String(RETRY_AFTER));
  };

/** The account that a browser is signed in to, by its session cookie. */
export async function findSignedIn(engine: EngineHost, ctx: Context): Promise<string | undefined> {
  const session = await engine.current().provider.Session.get(ctx as never);
  return session.accountId;
}
