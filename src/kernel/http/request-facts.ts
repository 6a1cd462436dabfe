import type { IncomingMessage } from 'node:http';
import type { RequestContext } from '../current-request.ts';
import type { ErrorCode } from '../errors.ts';

/** What is known of a request; `route`, `actorId` and `tenantId` fill in as it is served. */
export interface RequestFacts extends RequestContext {
  /** Route pattern, from a bounded set: the label of metrics and the access log. */
  route: string | null;
  errorCode: ErrorCode | null;
}

// By request, not on the Koa context: an app mounted inside another has its own context.
const facts = new WeakMap<IncomingMessage, RequestFacts>();

export const setRequestFacts = (request: IncomingMessage, value: RequestFacts): void => {
  facts.set(request, value);
};

/**
 * The facts of a request that came through `requestContext`.
 * @throws TypeError when it did not: the middleware is missing
 */
export function requestFacts(request: IncomingMessage): RequestFacts {
  const found = facts.get(request);
  if (!found) throw new TypeError('requestContext() must come before this middleware');
  return found;
}

/** Names the route that serves a request; `pattern` must come from a bounded set. */
export const labelRoute = (request: IncomingMessage, pattern: string): void => {
  requestFacts(request).route = pattern;
};
