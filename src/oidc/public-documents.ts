import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Provider } from 'oidc-provider';
import { renderDiscovery } from './internals.ts';

/** Paths of the JWKS: the advertised one and the alias that sister services know. */
const JWKS_PATHS = ['/.well-known/jwks.json', '/jw-certs'];

/** Paths of the metadata: OpenID Connect Discovery 4 and RFC 8414 3. */
const DISCOVERY_PATHS = [
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
];

interface Document {
  body: Buffer;
  headers: Record<string, string>;
}

/** Constants between two key changes, answered from memory before any middleware runs. */
export interface PublicDocuments {
  /** Answers GET, HEAD and OPTIONS of a public document. @returns whether it was one */
  respond(request: IncomingMessage, response: ServerResponse): boolean;
}

function toDocument(value: unknown, contentType: string, maxAge: number): Document {
  const body = Buffer.from(JSON.stringify(value));
  return {
    body,
    headers: {
      'Content-Type': contentType,
      'Content-Length': String(body.length),
      'Cache-Control': `public, max-age=${maxAge}`,
      ETag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`,
      'Access-Control-Allow-Origin': '*',
      'X-Content-Type-Options': 'nosniff',
    },
  };
}

/** Whether an If-None-Match list names the entity tag (RFC 9110 13.1.2: weak comparison). */
function isUnchanged(request: IncomingMessage, etag: string): boolean {
  const condition = request.headers['if-none-match'];
  if (!condition) return false;
  return condition.split(',').some((tag) => {
    const value = tag.trim();
    return value === '*' || value.replace(/^W\//, '') === etag;
  });
}

function send(request: IncomingMessage, response: ServerResponse, document: Document): void {
  if (isUnchanged(request, document.headers.ETag as string)) {
    const { 'Content-Length': _, 'Content-Type': __, ...headers } = document.headers;
    response.writeHead(304, headers).end();
    return;
  }
  response.writeHead(200, document.headers);
  response.end(request.method === 'HEAD' ? undefined : document.body);
}

/** Answers a CORS preflight: reading is open to every origin, nothing else is. */
function sendPreflight(response: ServerResponse): void {
  response
    .writeHead(204, {
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Methods': 'GET, HEAD',
      'Access-Control-Max-Age': '3600',
    })
    .end();
}

/** Seconds that others may keep the metadata. */
const DISCOVERY_MAX_AGE = 3_600;

/**
 * Renders the public documents of an engine once.
 * @param keys public JWKs
 * @param jwksMaxAge seconds that others may keep the JWKS
 */
export async function createPublicDocuments(
  provider: Provider,
  keys: Record<string, string>[],
  jwksMaxAge: number,
): Promise<PublicDocuments> {
  const jwks = toDocument({ keys }, 'application/jwk-set+json; charset=utf-8', jwksMaxAge);
  const discovery = toDocument(
    await renderDiscovery(provider),
    'application/json; charset=utf-8',
    DISCOVERY_MAX_AGE,
  );
  const documents = new Map<string, Document>([
    ...JWKS_PATHS.map((path) => [path, jwks] as const),
    ...DISCOVERY_PATHS.map((path) => [path, discovery] as const),
  ]);
  return {
    respond(request, response) {
      const url = request.url ?? '';
      const mark = url.indexOf('?');
      const document = documents.get(mark === -1 ? url : url.slice(0, mark));
      if (!document) return false;
      if (request.method === 'GET' || request.method === 'HEAD') send(request, response, document);
      else if (request.method === 'OPTIONS') sendPreflight(response);
      else response.writeHead(405, { Allow: 'GET, HEAD, OPTIONS', 'Content-Length': '0' }).end();
      return true;
    },
  };
}
