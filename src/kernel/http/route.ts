import type { Readable } from 'node:stream';
import { z } from 'zod';
import { ERRORS, type ErrorCode } from '../errors.ts';
import { type ActorOf, AUTH, type AuthKind } from './actor.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Names of request budgets; the numbers are given where the limiter is made. */
export type LimitName = 'none' | 'default' | 'sensitive';

/** A body that is not JSON, such as an export. */
export interface FileSpec {
  readonly mediaTypes: readonly string[];
}

export interface FileBody {
  contentType: string;
  content: string | Buffer | Readable;
}

/** What a status answers: a JSON schema, a file, or nothing. */
export type ResponseSpec = z.ZodType | FileSpec | null;
export type Responses = Readonly<Record<number, ResponseSpec>>;

/** An answer with a status of its own, where a route has several, or with headers. */
export class Reply<S extends number = number, B = unknown> {
  readonly status: S;
  readonly body: B;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: S, body: B, headers: Readonly<Record<string, string>>) {
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** Answers with this status, body and headers; header names in lower case. */
export const reply = <S extends number, B>(
  status: S,
  body: B,
  headers: Readonly<Record<string, string>> = {},
): Reply<S, B> => new Reply(status, body, headers);

/** Declares a response that is not JSON. */
export const file = (...mediaTypes: [string, ...string[]]): FileSpec => ({ mediaTypes });

export const isFileSpec = (spec: ResponseSpec): spec is FileSpec =>
  spec !== null && 'mediaTypes' in spec;

/** Facts of the request that a handler may want beside its validated input. */
export interface ApiRequest {
  id: string;
  method: string;
  /** Path as received, without the query. */
  path: string;
  clientIp: string | null;
  userAgent: string | null;
  /** A header as received; undefined when absent. */
  header(name: string): string | undefined;
}

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined;

// biome-ignore lint/suspicious/noConfusingVoidType: so that a Promise<void> can be returned as is
type Nothing = void | null | undefined;

type BodyOf<R extends ResponseSpec> = R extends z.ZodType
  ? z.input<R>
  : R extends FileSpec
    ? FileBody
    : Nothing;

type Keys<R> = keyof R & number;
type Replies<R extends Responses> = {
  [S in Keys<R>]: Reply<S, BodyOf<R[S]>>;
}[Keys<R>];
type Single<K, All = K> = K extends All ? ([All] extends [K] ? K : never) : never;

/** What the handler of a route with these responses returns: a reply, or the body of the only one. */
export type ResultOf<R extends Responses> =
  | Replies<R>
  | ([Single<Keys<R>>] extends [never] ? never : BodyOf<R[Single<Keys<R>>]>);

export interface RouteInput<A extends AuthKind, P, Q, H, B> {
  params: Parsed<P>;
  query: Parsed<Q>;
  headers: Parsed<H>;
  body: Parsed<B>;
  actor: ActorOf<A>;
  request: ApiRequest;
}

/** What a token must say beside being valid (RFC 9470). */
export interface StepUp {
  /** Authentication context classes, any of which will do. */
  acrValues?: readonly string[];
  /** Seconds since the person last authenticated, at most. */
  maxAge?: number;
  /** Whether people who have a second factor must have shown it: the API knows who has. */
  enrolled?: boolean;
}

/** Ending what is open asks for a sign-in within a quarter of an hour, of any kind (ASVS 7.5.2). */
export const RECENT_SIGN_IN: StepUp = { maxAge: 900 };

/** What changes how somebody signs in, or is for good, asks for this (ASVS 7.5.1). */
export const FRESH_SIGN_IN: StepUp = { ...RECENT_SIGN_IN, enrolled: true };

interface RouteFacts {
  method: Method;
  /** Below the API's base path, with `:name` parameters. */
  path: `/${string}`;
  limit: LimitName;
  /** One line, for the API document. */
  summary: string;
  description?: string;
  tags: readonly [string, ...string[]];
  /** Unique; the name of the method in generated clients. */
  operationId: string;
  /** A scope that the credential must carry (RFC 6750 3.1). */
  scope?: string;
  /** Handed to the API's `authorise`, which decides. */
  permission?: string;
  stepUp?: StepUp;
  /**
   * Only tokens of the operator's own clients: for what a person does to the
   * account itself, which no application gets by being signed in to.
   */
  firstParty?: boolean;
  /**
   * Takes tokens of sessions and grants that have ended, until they would have
   * expired: for a request to end them that is made again.
   */
  evenEnded?: boolean;
  /** Codes that this route answers beside those that every route may. */
  errors: readonly ErrorCode[];
  deprecated?: boolean;
  /** Longest request body, bytes; 64 KiB by default. */
  maxBodyBytes?: number;
  /** Request bodies for the API document, by name. */
  examples?: Readonly<Record<string, unknown>>;
}

type ObjectSchema = z.ZodObject | undefined;

/** A route as it is written; types of the handler follow from the schemas. */
export interface RouteSpec<
  A extends AuthKind,
  P extends ObjectSchema,
  Q extends ObjectSchema,
  H extends ObjectSchema,
  B extends z.ZodType | undefined,
  R extends Responses,
> extends RouteFacts {
  auth: A;
  params?: P;
  query?: Q;
  /** Names in lower case. */
  headers?: H;
  body?: B;
  responses: R;
  handle(input: RouteInput<A, P, Q, H, B>): Promise<ResultOf<R>> | ResultOf<R>;
}

/** A route as the kernel handles it. */
export interface Route extends RouteFacts {
  auth: AuthKind;
  params?: z.ZodObject;
  query?: z.ZodObject;
  headers?: z.ZodObject;
  body?: z.ZodType;
  responses: Responses;
  handle(input: unknown): Promise<unknown> | unknown;
}

/** Unknown members are an error unless the schema says otherwise (`z.looseObject`). */
const strict = <S extends z.ZodType | undefined>(schema: S): S =>
  schema instanceof z.ZodObject && schema.def.catchall === undefined
    ? (schema.strict() as unknown as S)
    : schema;

/** Names of the parameters in a path. */
export const pathParameters = (path: string): string[] =>
  [...path.matchAll(/:(\w+)/g)].map(([, name]) => name ?? '');

/**
 * Declares a route: the one source of its router entry, validation, API
 * document and contract tests. Objects in `query` and `body` become strict.
 * @throws TypeError when path and `params` disagree
 */
export function route<
  A extends AuthKind,
  R extends Responses,
  P extends ObjectSchema = undefined,
  Q extends ObjectSchema = undefined,
  H extends ObjectSchema = undefined,
  B extends z.ZodType | undefined = undefined,
>(spec: RouteSpec<A, P, Q, H, B, R>): Route {
  const declared = Object.keys(spec.params?.shape ?? {}).sort();
  const present = pathParameters(spec.path).sort();
  if (declared.join() !== present.join()) {
    throw new TypeError(`${spec.method} ${spec.path}: params must declare ${present.join()}`);
  }
  return {
    ...spec,
    ...(spec.query ? { query: strict(spec.query) } : {}),
    ...(spec.body ? { body: strict(spec.body) } : {}),
  } as unknown as Route;
}

/** Codes that a route may answer because of what it declares: the one place that implies them. */
function impliedErrors(route: Route): ErrorCode[] {
  const { auth, limit, params, query, headers, body } = route;
  const hasInput = Boolean(params ?? query ?? headers ?? body);
  return [
    'IDENT_INTERNAL',
    'IDENT_UNAVAILABLE',
    'IDENT_MISDIRECTED',
    // A malformed Authorization header is an invalid request too (RFC 6750 3.1).
    ...(hasInput || auth !== 'none' ? (['IDENT_VALIDATION'] as const) : []),
    ...(body ? (['IDENT_PAYLOAD_TOO_LARGE', 'IDENT_UNSUPPORTED_MEDIA_TYPE'] as const) : []),
    ...(AUTH[auth].actors.length > 0
      ? (['IDENT_UNAUTHENTICATED', 'IDENT_FORBIDDEN'] as const)
      : []),
    ...(limit === 'none' ? [] : (['IDENT_RATE_LIMITED'] as const)),
  ];
}

/** Every code that a route may answer, declared and implied, by status and name. */
export function errorsOf(route: Route): ErrorCode[] {
  const codes = new Set([...impliedErrors(route), ...route.errors]);
  return [...codes].sort((a, b) => ERRORS[a].status - ERRORS[b].status || (a < b ? -1 : 1));
}
