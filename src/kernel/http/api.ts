import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import { type Actor, AUTH, type UserActor } from './actor.ts';
import { assertMayCall } from './authorise.ts';
import { ChallengeError, invalidToken } from './challenge.ts';
import { answerPreflight, shareWith } from './cors.ts';
import { type Credentials, readCredentials } from './credentials.ts';
import { JSON_BODY_LIMITS, readJsonBody } from './json-body.ts';
import { assertRoutes, bySpecificity } from './lint.ts';
import { isPlainPath, isUnder } from './paths.ts';
import { type RequestFacts, requestFacts } from './request-facts.ts';
import { type Answer, ContractBreach, serialise } from './respond.ts';
import { type ApiRequest, errorsOf, type LimitName, type Route, type StepUp } from './route.ts';
import { queryValues, validateInputs } from './validate.ts';

export interface LimitOutcome {
  allowed: boolean;
  /** Seconds until a retry makes sense, when refused. */
  retryAfter: number;
  /** RateLimit headers for the answer, allowed or not. */
  headers: Readonly<Record<string, string>>;
}

/** Counts a request against its budget. Throws when it cannot count: the answer is then 503. */
export type Limiter = (hit: {
  limit: Exclude<LimitName, 'none'>;
  operationId: string;
  clientIp: string | null;
}) => Promise<LimitOutcome>;

export interface ApiOptions {
  routes: readonly Route[];
  /** `/api/v1`; everything below it is answered here, unknown paths with 404. */
  basePath: `/${string}`;
  clock: Clock;
  /** Origins whose scripts may call from a browser; default: none but our own. */
  corsOrigins?: readonly string[];
  limiter: Limiter;
  /**
   * Verifies a credential. Null means invalid: 401 with `invalid_token`. May throw
   * a ChallengeError that says more, or anything else to fail closed. `respond`
   * adds headers to the answer, whatever it will be; `evenEnded`: see the route.
   */
  authenticate(
    credentials: Credentials,
    request: ApiRequest,
    respond: (headers: Readonly<Record<string, string>>) => void,
    evenEnded: boolean,
  ): Promise<Actor | null>;
  /** JWS algorithms of DPoP proofs, where DPoP tokens are taken: offered to who has no token. */
  dpopAlgs?(): readonly string[];
  /**
   * Classes of which a person with a second factor must have reached one, for routes that ask
   * for what is enrolled; undefined for a person who has none.
   */
  findEnrolledAcrs?(actor: UserActor): Promise<readonly string[] | undefined>;
  /** Decides on a route's `permission`; throws IDENT_FORBIDDEN or IDENT_CROSS_TENANT. */
  authorise?(actor: Actor, permission: string, request: ApiRequest): Promise<void> | void;
  /** Told of every answer that its route did not declare; tests make it fatal. */
  onContractBreach?(breach: ContractBreach): void;
}

const toApiRequest = (ctx: Context, facts: RequestFacts): ApiRequest => ({
  id: facts.requestId,
  method: ctx.method,
  path: ctx.path,
  clientIp: facts.clientIp,
  userAgent: facts.userAgent,
  header: (name) => {
    const value = ctx.req.headers[name.toLowerCase()];
    return Array.isArray(value) ? value.join(', ') : value;
  },
});

async function limitRequest(route: Route, ctx: Context, options: ApiOptions): Promise<void> {
  if (route.limit === 'none') return;
  const { clientIp } = requestFacts(ctx.req);
  const { limit, operationId } = route;
  const outcome = await options.limiter({ limit, operationId, clientIp });
  ctx.set(outcome.headers);
  if (!outcome.allowed) {
    throw new AppError('IDENT_RATE_LIMITED', { retryAfter: outcome.retryAfter });
  }
}

async function authenticate(
  route: Route,
  ctx: Context,
  request: ApiRequest,
  options: ApiOptions,
): Promise<{ actor: Actor; scheme: 'Bearer' | 'DPoP' } | null> {
  const { schemes } = AUTH[route.auth];
  if (schemes.length === 0) return null;
  const credentials = readCredentials(ctx.req, schemes);
  // RFC 6750 3.1: without a credential the challenge carries no error.
  if (!credentials) throw new ChallengeError('IDENT_UNAUTHENTICATED', {}, offerDpop(options));
  const respond = (headers: Readonly<Record<string, string>>) => ctx.set(headers);
  const evenEnded = route.evenEnded === true;
  const actor = await options.authenticate(credentials, request, respond, evenEnded);
  const scheme = credentials.scheme === 'dpop' ? 'DPoP' : 'Bearer';
  if (!actor) throw invalidToken(scheme);
  const facts = requestFacts(ctx.req);
  facts.actorId = actor.kind === 'user' ? actor.userId : actor.clientId;
  facts.tenantId = actor.tenantId;
  return { actor, scheme };
}

/** RFC 9449 7.1: who may bring either kind of token is told of both. */
function offerDpop({ dpopAlgs }: ApiOptions) {
  return dpopAlgs ? { alternatives: [{ scheme: 'DPoP', algs: dpopAlgs() } as const] } : {};
}

/** What the route asks of this very person (RFC 9470). */
async function findStepUp(
  { stepUp }: Route,
  actor: Actor,
  { findEnrolledAcrs }: ApiOptions,
): Promise<StepUp | undefined> {
  if (!stepUp?.enrolled || actor.kind !== 'user') return stepUp;
  const acrValues = await findEnrolledAcrs?.(actor);
  return acrValues ? { ...stepUp, acrValues } : stepUp;
}

async function authorise(
  route: Route,
  caller: { actor: Actor; scheme: 'Bearer' | 'DPoP' } | null,
  request: ApiRequest,
  options: ApiOptions,
): Promise<void> {
  if (!caller) return;
  const { actor, scheme } = caller;
  const stepUp = await findStepUp(route, actor, options);
  assertMayCall(stepUp ? { ...route, stepUp } : route, actor, options.clock, scheme);
  if (route.permission !== undefined) {
    await options.authorise?.(actor, route.permission, request);
  }
}

async function validate(route: Route, ctx: Context, params: Record<string, string>) {
  const { maxBodyBytes = JSON_BODY_LIMITS.maxBytes } = route;
  const headers = Object.keys(route.headers?.shape ?? {}).map((name) => [
    name,
    ctx.req.headers[name],
  ]);
  const limits = { ...JSON_BODY_LIMITS, maxBytes: maxBodyBytes };
  const body = route.body ? await readJsonBody(ctx.req, limits) : undefined;
  return validateInputs([
    { name: 'params', schema: route.params, place: ['path'], value: { ...params } },
    {
      name: 'query',
      schema: route.query,
      place: ['query'],
      value: queryValues(new URLSearchParams(ctx.querystring)),
    },
    {
      name: 'headers',
      schema: route.headers,
      place: ['header'],
      value: Object.fromEntries(headers.filter(([, value]) => value !== undefined)),
    },
    { name: 'body', schema: route.body, place: [], value: body },
  ]);
}

function send(ctx: Context, answer: Answer): void {
  ctx.set(answer.headers);
  if (answer.contentType !== null) ctx.set('Content-Type', answer.contentType);
  ctx.body = answer.body;
  ctx.status = answer.status;
}

/** The fixed order: limit, authenticate, authorise, validate, handle, serialise. */
async function serve(route: Route, ctx: Context, options: ApiOptions): Promise<void> {
  const request = toApiRequest(ctx, requestFacts(ctx.req));
  await limitRequest(route, ctx, options);
  const caller = await authenticate(route, ctx, request, options);
  await authorise(route, caller, request, options);
  const input = await validate(route, ctx, ctx.params as Record<string, string>);
  const result = await route.handle({ ...input, actor: caller?.actor ?? null, request });
  send(ctx, await serialise(route, result));
}

/** Keeps a route to what it declared: any other code becomes IDENT_INTERNAL. */
function createEndpoint(route: Route, options: ApiOptions) {
  const declared = new Set(errorsOf(route));
  const pattern = `${options.basePath}${route.path}`;
  const breached = (breach: ContractBreach) => {
    options.onContractBreach?.(breach);
    return new AppError('IDENT_INTERNAL', { cause: breach });
  };
  return async (ctx: Context): Promise<void> => {
    requestFacts(ctx.req).route = pattern;
    try {
      await serve(route, ctx, options);
    } catch (error) {
      if (error instanceof ContractBreach) throw breached(error);
      if (error instanceof AppError && !declared.has(error.code)) {
        throw breached(new ContractBreach(route, `answered the undeclared ${error.code}`, error));
      }
      throw error;
    }
  };
}

/** Answers what no route serves: OPTIONS, 405 with `Allow` (RFC 9110 15.5.6), 404. */
function refuse(ctx: Context, methods: ReadonlySet<string>): void {
  if (methods.size === 0) throw new AppError('IDENT_NOT_FOUND');
  ctx.set('Allow', [...methods, 'OPTIONS'].sort().join(', '));
  if (ctx.method !== 'OPTIONS') throw new AppError('IDENT_METHOD_NOT_ALLOWED');
  answerPreflight(ctx, methods);
  ctx.body = null;
  ctx.status = 204;
}

/**
 * Serves declared routes as Koa middleware. Belongs behind `requestContext()`
 * and `problems()`; passes on everything outside `basePath`.
 * @throws TypeError when the declarations contradict each other
 */
export function createApi(options: ApiOptions): Middleware {
  const { routes, basePath } = options;
  assertRoutes(routes);
  if (!options.authorise && routes.some((route) => route.permission !== undefined)) {
    throw new TypeError('a route declares a permission, but nothing decides on it');
  }
  if (!options.findEnrolledAcrs && routes.some(({ stepUp }) => stepUp?.enrolled)) {
    throw new TypeError('a route asks for what is enrolled, but nothing knows who has what');
  }
  // Exact paths only: no case folding, no trailing slash, as proxies compare them too.
  const router = new Router({ prefix: basePath, sensitive: true, strict: true });
  for (const route of [...routes].sort(bySpecificity)) {
    router.register(`${route.path}`, [route.method], createEndpoint(route, options));
  }
  const origins = new Set(options.corsOrigins);
  const dispatch = router.routes() as unknown as Middleware;
  return async (ctx, next) => {
    if (!isUnder(ctx.path, basePath)) return next();
    requestFacts(ctx.req).route = `${basePath}/*`;
    ctx.set('Cache-Control', 'no-store');
    shareWith(ctx, origins);
    if (!isPlainPath(ctx.path)) throw new AppError('IDENT_NOT_FOUND');
    return dispatch(ctx, async () => {
      const { path } = router.match(ctx.path, ctx.method);
      refuse(ctx, new Set(path.flatMap((layer) => layer.methods)));
    });
  };
}
