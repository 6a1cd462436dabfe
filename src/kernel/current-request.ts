import { AsyncLocalStorage } from 'node:async_hooks';

/** Facts of the request being served that logs, events and sessions want to know. */
export interface RequestContext {
  requestId: string;
  /** Address of the client after trusted proxies were taken off; null outside HTTP. */
  clientIp: string | null;
  userAgent: string | null;
  /** W3C Trace Context; null when absent or malformed. */
  traceparent: string | null;
  /** User or client on whose behalf the request acts, once known. */
  actorId: string | null;
  /** The tenant that the request acts in, once known. */
  tenantId: string | null;
}

const storage = new AsyncLocalStorage<RequestContext>();

/** Runs `work` with `context` as the current request. */
export const runInRequest = <T>(context: RequestContext, work: () => T): T =>
  storage.run(context, work);

/** The request being served, or undefined in jobs and the CLI. */
export const currentRequest = (): RequestContext | undefined => storage.getStore();
