import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';
import { describeResource } from './metadata.ts';
import { findStepUp, type StepUp, type StepUpParameters } from './step-up.ts';

/**
 * A resource server: an API that lets in whoever brings an access token of the
 * provider. It verifies tokens offline (RFC 9068): the provider is asked for its
 * keys now and then, never about a single token. A token that was revoked is
 * therefore good until it expires; ask the provider's introspection endpoint
 * where that is too long.
 */

export interface ResourceServerOptions {
  /** The provider. */
  issuer: string;
  /** Its identifier (RFC 9728 1.2), if clients may find the provider by it: its own address. */
  resource?: string | undefined;
  /** What tokens must be made for; default: the identifier, else `{issuer}/api`. */
  audience?: string | undefined;
  /** The scope that `/notes` asks for. */
  scope?: string | undefined;
  /** The sign-in that `/notes/private` asks for; default: one of the last five minutes. */
  stepUp?: StepUp | undefined;
  /** Where the keys are; default `{issuer}/.well-known/jwks.json`. */
  jwksUri?: string | undefined;
  /** Told of errors that callers only see the outside of. */
  log?: ((error: unknown) => void) | undefined;
}

/** An error as RFC 6750 3 wants it told. Without a code it is a bare "who are you?". */
interface Refusal {
  status: 400 | 401 | 403;
  code?:
    | 'invalid_request'
    | 'invalid_token'
    | 'insufficient_scope'
    | 'insufficient_user_authentication';
  stepUp?: StepUpParameters;
  description?: string;
  scope?: string;
}

/** Ends a request with an answer that is an error. */
class Refused extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal, options?: ErrorOptions) {
    super(refusal.description ?? 'no access token', options);
    this.refusal = refusal;
  }
}

/**
 * The algorithms that are believed. Naming them matters: a token must not be
 * able to choose how it is checked (RFC 8725 3.1).
 */
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'];

/** Seconds by which the clocks of two computers may differ. */
const CLOCK_TOLERANCE = 5;

type Verify = (token: string) => Promise<JWTPayload>;

/** Errors of jose that are about the token; all others are about us or the provider. */
const isTokenProblem = (error: unknown): boolean =>
  error instanceof errors.JOSEError &&
  !(error instanceof errors.JWKSTimeout) &&
  !(error instanceof errors.JWKSInvalid) &&
  error.code !== 'ERR_JOSE_GENERIC';

/** @returns a check that resolves to the claims of a good token and throws Refused for others */
function createVerify(options: ResourceServerOptions): Verify {
  const issuer = options.issuer.replace(/\/$/, '');
  const jwksUri = new URL(options.jwksUri ?? `${issuer}/.well-known/jwks.json`);
  // Fetched when first needed, kept, and fetched anew (not too often) for an unknown `kid`.
  const keys = createRemoteJWKSet(jwksUri);
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: options.issuer,
        audience: options.audience ?? options.resource ?? `${issuer}/api`,
        // Without it an ID token could pass for an access token (RFC 9068 4).
        typ: 'at+jwt',
        algorithms: ALGORITHMS,
        requiredClaims: ['exp', 'iat', 'sub', 'jti', 'client_id'],
        clockTolerance: CLOCK_TOLERANCE,
      });
      return payload;
    } catch (error) {
      if (!isTokenProblem(error)) throw error;
      const isExpired = error instanceof errors.JWTExpired;
      const description = isExpired ? 'the token has expired' : 'the token is not valid here';
      throw new Refused({ status: 401, code: 'invalid_token', description }, { cause: error });
    }
  };
}

/** The token of a request, from the header only: addresses end up in logs (RFC 6750 5.3). */
function readBearerToken({ headers }: IncomingMessage): string {
  const { authorization } = headers;
  if (authorization === undefined || !/^bearer\b/i.test(authorization)) {
    throw new Refused({ status: 401 });
  }
  const token = /^bearer +([\w.~+/-]+=*)$/i.exec(authorization)?.[1];
  if (token) return token;
  const description = 'the Authorization header is malformed';
  throw new Refused({ status: 400, code: 'invalid_request', description });
}

/** @throws Refused unless the token carries the scope */
function requireScope(claims: JWTPayload, scope: string): void {
  const granted = typeof claims.scope === 'string' ? claims.scope.split(' ') : [];
  if (granted.includes(scope)) return;
  const description = 'the token does not carry the scope';
  throw new Refused({ status: 403, code: 'insufficient_scope', description, scope });
}

/** @throws Refused unless the sign-in behind the token is strong and fresh enough (RFC 9470 3) */
function requireStepUp(claims: JWTPayload, need: StepUp): void {
  const stepUp = findStepUp(claims, need);
  if (!stepUp) return;
  const description = 'a stronger or more recent sign-in is required';
  const code = 'insufficient_user_authentication';
  throw new Refused({ status: 401, code, description, stepUp });
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(`${JSON.stringify(body)}\n`);
}

/** Answers as RFC 6750 3 says. No value in it comes from the caller, so none needs quoting. */
function sendRefusal(response: ServerResponse, refusal: Refusal, metadataUrl?: string) {
  const { status, code, description, scope, stepUp } = refusal;
  const parameters = Object.entries({
    realm: 'example',
    error: code,
    error_description: description,
    scope,
    ...stepUp,
    resource_metadata: metadataUrl,
  }).filter(([, value]) => value !== undefined);
  const challenge = parameters.map(([name, value]) => `${name}="${value}"`).join(', ');
  response.setHeader('www-authenticate', `Bearer ${challenge}`);
  sendJson(response, status, { error: code ?? 'unauthorized', error_description: description });
}

const NOTES = {
  '/notes': [{ id: 1, text: 'Xin chào! This note is for you.' }],
  '/notes/private': [{ id: 2, text: 'Whoever reads this has just signed in.' }],
};

async function answer(
  verify: Verify,
  { scope, stepUp }: { scope: string; stepUp: StepUp },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = request.url?.split('?')[0];
  if (path !== '/' && path !== '/notes' && path !== '/notes/private') {
    return sendJson(response, 404, { error: 'not_found' });
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return sendJson(response, 405, { error: 'method_not_allowed' });
  }
  if (path === '/') return sendJson(response, 200, { notes: '/notes', scope });
  const claims = await verify(readBearerToken(request));
  requireScope(claims, scope);
  if (path === '/notes/private') requireStepUp(claims, stepUp);
  const notes = NOTES[path];
  sendJson(response, 200, { sub: claims.sub, tid: claims.tid, client: claims.client_id, notes });
}

/**
 * The resource server as a listener for `http.createServer`. The provider's keys
 * are fetched when the first token comes.
 */
export function createResourceServer(options: ResourceServerOptions): RequestListener {
  const verify = createVerify(options);
  const needs = { scope: options.scope ?? 'profile', stepUp: options.stepUp ?? { maxAge: 300 } };
  const log = options.log ?? console.error;
  const { resource, issuer } = options;
  const metadata = resource ? describeResource(resource, issuer, needs.scope) : undefined;
  return (request, response) => {
    request.resume();
    if (metadata && request.url === metadata.path) {
      return sendJson(response, 200, metadata.document);
    }
    answer(verify, needs, request, response).catch((error: unknown) => {
      if (error instanceof Refused) return sendRefusal(response, error.refusal, metadata?.url);
      // The keys cannot be had. That is no fault of the token: the caller may come again.
      log(error);
      response.setHeader('retry-after', '5');
      sendJson(response, 503, { error: 'temporarily_unavailable' });
    });
  };
}

/** Reads the environment and listens: `node examples/resource-server/server.ts`. */
function main(): void {
  const setting = (name: string): string | undefined => process.env[name] || undefined;
  const port = Number(setting('PORT') ?? 3002);
  const server = createServer(
    createResourceServer({
      issuer: setting('ISSUER') ?? 'http://localhost:3000',
      resource: setting('RESOURCE'),
      audience: setting('AUDIENCE'),
      scope: setting('SCOPE'),
      jwksUri: setting('JWKS_URI'),
    }),
  );
  server.listen(port, () => console.log(`The resource server is at http://localhost:${port}`));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => server.close().closeAllConnections());
  }
}

if (import.meta.main) main();
