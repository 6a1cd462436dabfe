import type { Middleware } from 'koa';
import type { Config } from '../config.ts';
import type { Health } from '../infra/health.ts';
import type { Metrics } from '../infra/metrics.ts';
import { constantTimeEqual } from '../kernel/crypto.ts';
import { AppError } from '../kernel/errors.ts';
import { requestFacts } from '../kernel/http/index.ts';

export interface OperationsDeps {
  config: Config;
  health: Health;
  metrics: Metrics;
  openApi(): string;
  asyncApi(): string;
}

type Answer = (ctx: Parameters<Middleware>[0]) => Promise<void> | void;

/**
 * Whose pages may use passkeys of this domain though they are not of it (WebAuthn
 * Level 3, 5.11): browsers ask here before they let a page of another domain.
 */
const relatedOrigins = ({ ISSUER, WEBAUTHN_ORIGINS }: Config): string => {
  const pages = WEBAUTHN_ORIGINS.filter((origin) => /^https?:/.test(origin));
  return JSON.stringify({ origins: [new URL(ISSUER).origin, ...pages] });
};

/** What operators and probes ask: health, metrics, the documents of API and events; with the aliases in use. */
export function operationsRoutes(deps: OperationsDeps): Middleware {
  const live: Answer = (ctx) => {
    ctx.body = deps.health.live();
  };
  const ready: Answer = async (ctx) => {
    const { httpStatus, report } = await deps.health.ready();
    ctx.status = httpStatus;
    ctx.body = report;
  };
  const metrics: Answer = async (ctx) => {
    const expected = deps.config.METRICS_TOKEN;
    const given = ctx.get('authorization').replace(/^Bearer /, '');
    if (expected && !constantTimeEqual(given, expected.reveal())) {
      throw new AppError('IDENT_UNAUTHENTICATED');
    }
    ctx.set('Content-Type', deps.metrics.contentType);
    ctx.body = await deps.metrics.renderMetrics();
  };
  const document =
    (text: () => string): Answer =>
    (ctx) => {
      ctx.set('Cache-Control', 'public, max-age=300');
      ctx.type = 'json';
      ctx.body = text();
    };
  const openApi = document(deps.openApi);
  const passkeyOrigins = document(() => relatedOrigins(deps.config));
  const asyncApi = document(deps.asyncApi);
  const routes = new Map<string, Answer>([
    ['/health/live', live],
    ['/health/ready', ready],
    ['/v1/api/identity/healthz', live],
    ['/v1/api/identity/readyz', ready],
    ['/metrics', metrics],
    ['/openapi.json', openApi],
    ['/v1/api/identity/doc/openapi.json', openApi],
    ['/asyncapi.json', asyncApi],
    ['/.well-known/webauthn', passkeyOrigins],
    ['/v1/api/identity/doc/asyncapi.json', asyncApi],
  ]);
  return async (ctx, next) => {
    const answer = routes.get(ctx.path);
    if (!answer) return next();
    requestFacts(ctx.req).route = ctx.path;
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD') {
      ctx.set('Allow', 'GET, HEAD');
      throw new AppError('IDENT_METHOD_NOT_ALLOWED');
    }
    ctx.set('Cache-Control', 'no-store');
    await answer(ctx);
  };
}
