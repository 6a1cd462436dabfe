import type { IncomingMessage } from 'node:http';
import type { Context, Middleware } from 'koa';
import { newId } from '../ids.ts';
import type { Log } from './log.ts';
import type { Proxies } from './proxies.ts';
import { type RequestFacts, setRequestFacts } from './request-facts.ts';

/** What a caller may choose as its request id: nothing that could forge a log line or header. */
const REQUEST_ID = /^[A-Za-z0-9._:-]{1,64}$/;

/** W3C Trace Context 3.2.2, version 00; all-zero ids are invalid. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

const LONGEST_USER_AGENT = 512;
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Status that is logged when the client went away before there was an answer. */
const CLIENT_CLOSED = 499;

/** One served request, as metrics want it: every label comes from a bounded set. */
export interface Observation {
  route: string;
  method: string;
  status: number;
  seconds: number;
}

export interface RequestContextOptions {
  log: Pick<Log, 'debug' | 'info'>;
  proxies: Pick<Proxies, 'clientIp'>;
  /** Makes the facts the current request while `work` runs. */
  run<T>(facts: RequestFacts, work: () => T): T;
  observe(observation: Observation): void;
  /** Paths that are asked every few seconds and logged at debug: health and metrics. */
  isProbe(path: string): boolean;
}

function sane(value: string | string[] | undefined, pattern: RegExp): string | null {
  return typeof value === 'string' && pattern.test(value) ? value : null;
}

function factsOf(request: IncomingMessage, clientIp: string | null): RequestFacts {
  const { headers } = request;
  return {
    requestId: sane(headers['x-request-id'], REQUEST_ID) ?? newId(),
    clientIp,
    userAgent: headers['user-agent']?.slice(0, LONGEST_USER_AGENT) ?? null,
    traceparent: sane(headers.traceparent, TRACEPARENT),
    actorId: null,
    tenantId: null,
    route: null,
    errorCode: null,
  };
}

/** Logs and measures a request once its answer is out or its client is gone. */
function finish(ctx: Context, facts: RequestFacts, begin: number, options: RequestContextOptions) {
  const { log, observe, isProbe } = options;
  const method = METHODS.has(ctx.method) ? ctx.method : 'OTHER';
  const status = ctx.res.headersSent ? ctx.res.statusCode : CLIENT_CLOSED;
  const milliseconds = performance.now() - begin;
  const route = facts.route ?? 'unmatched';
  observe({ route, method, status, seconds: milliseconds / 1_000 });
  // The pattern, never the path or query: those may hold codes and tokens (ASVS 16.2.5).
  const fields = {
    method,
    route,
    status,
    durationMs: Math.round(milliseconds * 10) / 10,
    ...(facts.errorCode === null ? {} : { code: facts.errorCode }),
  };
  if (isProbe(ctx.path)) log.debug(fields, 'request');
  else log.info(fields, 'request');
}

/**
 * The outermost middleware: establishes who asks and under which id, echoes
 * X-Request-Id, and reports the request when it is over.
 */
export function requestContext(options: RequestContextOptions): Middleware {
  return (ctx, next) => {
    const begin = performance.now();
    const facts = factsOf(ctx.req, options.proxies.clientIp(ctx.req));
    setRequestFacts(ctx.req, facts);
    ctx.res.setHeader('X-Request-Id', facts.requestId);
    ctx.res.once('close', () => {
      options.run(facts, () => finish(ctx, facts, begin, options));
    });
    return options.run(facts, () => next());
  };
}
