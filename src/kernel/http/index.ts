/** Declares and serves HTTP. Knows Koa, zod and the standards; nothing of any feature. */
export type { Actor, AuthKind, ClientActor, UserActor } from './actor.ts';
export { type ApiOptions, createApi, type Limiter, type LimitOutcome } from './api.ts';
export { type Challenge, ChallengeError, invalidToken, stepUpRequired } from './challenge.ts';
export { type Credentials, headerValues, readCredentials } from './credentials.ts';
export { isDependencyFailure } from './dependency-failure.ts';
export { entityTag, readIfMatch } from './entity-tag.ts';
export { checkHost } from './host-check.ts';
export { readBytes } from './json-body.ts';
export { languagesOf } from './languages.ts';
export { lintRoutes } from './lint.ts';
export type { Log } from './log.ts';
export { isPlainPath, refuseOddPaths } from './paths.ts';
export { problems, sendProblem, toAppError } from './problem.ts';
export { createProxies, normaliseIp, type Proxies } from './proxies.ts';
export { type Observation, requestContext } from './request-context.ts';
export { labelRoute, type RequestFacts, requestFacts } from './request-facts.ts';
export { ContractBreach } from './respond.ts';
export {
  type ApiRequest,
  errorsOf,
  FRESH_SIGN_IN,
  file,
  type LimitName,
  RECENT_SIGN_IN,
  type Reply,
  type Route,
  reply,
  route,
  type StepUp,
} from './route.ts';
export { PAGE_CSP, securityHeaders } from './security-headers.ts';
