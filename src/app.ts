import type { IncomingMessage, ServerResponse } from 'node:http';
import Koa, { type Middleware } from 'koa';
import type { Deps } from './deps.ts';
import { createAccessLog } from './infra/access-log.ts';
import { runInRequest } from './kernel/current-request.ts';
import {
  checkHost,
  createApi,
  createProxies,
  type Proxies,
  problems,
  refuseOddPaths,
  requestContext,
  securityHeaders,
} from './kernel/http/index.ts';
import { createAccountSignIn } from './oidc/account-sign-in.ts';
import { createCibaPages } from './oidc/ciba/pages.ts';
import { createFindAccount } from './oidc/engine.ts';
import { createForgotLink } from './oidc/forgot-link.ts';
import { createInteractions } from './oidc/interactions/index.ts';
import { postedRequests } from './oidc/posted-requests.ts';
import { findSignedIn, serveEngine } from './oidc/serve.ts';
import { createEverywherePages } from './oidc/sign-out-everywhere.ts';
import { createAccountPages } from './web/account/index.ts';
import { assetRoutes } from './web/assets.ts';
import { devPages } from './web/dev-pages.ts';
import { landingRoutes } from './web/landing.ts';
import { launchRoutes } from './web/launch.ts';
import { createLinkPages } from './web/link-pages.ts';
import { operationsRoutes } from './web/operations.ts';
import { pageErrors, pageNotFound } from './web/page-errors.ts';

const API_BASE = '/api/v1';

const isProbe = (path: string): boolean =>
  path.startsWith('/health/') || path === '/metrics' || path.startsWith('/v1/api/identity/');

/**
 * Tells the engine one truth about scheme, host and client certificate: what
 * trusted proxies say, and nothing that anybody else does (RFC 9700 4.13).
 *
 * @param believed further headers that only a trusted proxy may send
 */
function settleForwarded(
  request: IncomingMessage,
  proxies: Proxies,
  believed: readonly string[],
): void {
  const { headers } = request;
  const [secure, host] = [proxies.isSecure(request), proxies.host(request)];
  for (const name of Object.keys(headers)) {
    if (name.startsWith('x-forwarded-') && name !== 'x-forwarded-for') delete headers[name];
  }
  headers['x-forwarded-proto'] = secure ? 'https' : 'http';
  if (host) headers['x-forwarded-host'] = host;
  if (!proxies.isProxy(request)) for (const name of believed) delete headers[name];
}

/** Keeps a router to its part of the URL space: asked in vain, it costs as much as when it serves. */
const under =
  (base: string, step: Middleware): Middleware =>
  (ctx, next) =>
    ctx.path.startsWith(base) ? step(ctx, next) : next();

/** The whole service as one ordered list of middleware; it never listens. */
export function buildApp(deps: Deps): Koa {
  const { config, log } = deps;
  const proxies = createProxies({ trustedProxies: config.TRUSTED_PROXIES });
  const certificateHeaders = [config.MTLS_CERTIFICATE_HEADER, config.MTLS_VERIFIED_HEADER].filter(
    (name) => name !== undefined,
  );
  const linkPages = createLinkPages(deps).routes() as unknown as Middleware;
  const steps: Middleware[] = [
    requestContext({
      log: createAccessLog(log),
      proxies,
      run: runInRequest,
      observe: deps.metrics.observeRequest,
      isProbe,
    }),
    securityHeaders({ issuer: config.ISSUER }),
    problems({ log }),
    operationsRoutes(deps),
    refuseOddPaths(),
    checkHost({
      issuer: config.ISSUER,
      aliases: config.ALLOWED_HOSTS,
      proxies,
      exempt: isProbe,
    }),
    createApi({
      routes: deps.routes,
      basePath: API_BASE,
      clock: deps.clock,
      corsOrigins: config.API_CORS_ORIGINS,
      limiter: deps.limiter,
      authenticate: deps.authenticate,
      findEnrolledAcrs: deps.findEnrolledAcrs,
      dpopAlgs: deps.dpopAlgs,
    }),
    assetRoutes(deps),
    pageErrors({ pages: deps.errorPages, log }),
    ...(config.NODE_ENV === 'development' ? [devPages(deps)] : []),
    launchRoutes({ issuer: config.ISSUER, clients: deps.clients }),
    landingRoutes({ ...deps, findSignedIn: (ctx) => findSignedIn(deps.engine, ctx) }),
    under(
      '/interaction/',
      createInteractions({
        ...deps,
        engine: () => deps.engine.current().provider,
      }).routes() as unknown as Middleware,
    ),
    under(
      '/forgot-password',
      createForgotLink({ issuer: config.ISSUER }).routes() as unknown as Middleware,
    ),
    under('/verify-email', linkPages),
    under('/reset-password', linkPages),
    under(
      '/logout/everywhere',
      createEverywherePages({
        ...deps,
        engine: () => deps.engine.current().provider,
        findAccount: createFindAccount(deps.users),
      }).routes() as unknown as Middleware,
    ),
    under(
      '/account',
      createAccountPages({
        ...deps,
        accountSignIn: createAccountSignIn({
          ...deps,
          issuer: config.ISSUER,
          engine: () => deps.engine.current().provider,
        }),
      }).routes() as unknown as Middleware,
    ),
    postedRequests(),
    under(
      '/approve/',
      createCibaPages({
        ...deps,
        engine: () => deps.engine.current().provider,
        findAccount: createFindAccount(deps.users),
        isLockedFor: deps.signIn.isLockedFor,
      }).routes() as unknown as Middleware,
    ),
    serveEngine(deps.engine),
    pageNotFound({ pages: deps.errorPages }),
  ];
  const app = new Koa({ proxy: true });
  // Asked for with each request: they rotate.
  Object.defineProperty(app, 'keys', { get: () => deps.engine.secrets().cookies });
  app.silent = true;
  app.use((ctx, next) => {
    settleForwarded(ctx.req, proxies, certificateHeaders);
    return next();
  });
  for (const step of steps) app.use(step);
  return app;
}

/**
 * The listener for an HTTP server. Public documents are answered from memory
 * before any middleware: they are constants between two key changes.
 */
export function createRequestListener(
  deps: Deps,
): (request: IncomingMessage, response: ServerResponse) => void {
  const handle = buildApp(deps).callback();
  return (request, response) => {
    if (!deps.engine.documents().respond(request, response)) void handle(request, response);
  };
}
