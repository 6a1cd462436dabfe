import { ERRORS, type ErrorCode } from './errors.ts';
import { AUTH, type AuthKind, type CredentialScheme } from './http/actor.ts';
import { buildSchemas, type Json, type Schemas, sorted } from './http/json-schemas.ts';
import { errorsOf, isFileSpec, type ResponseSpec, type Route } from './http/route.ts';

export type { Json };

export interface OpenApiOptions {
  routes: readonly Route[];
  /** Put before every path. */
  basePath?: string;
  info: { title: string; version: string; description?: string };
  servers: readonly { url: string; description?: string }[];
}

const SECURITY_SCHEMES: Readonly<Record<CredentialScheme, Json>> = {
  'api-key': { type: 'apiKey', in: 'header', name: 'X-API-Key' },
  basic: { type: 'http', scheme: 'basic', description: 'Sister services only' },
  bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
  dpop: {
    type: 'http',
    scheme: 'DPoP',
    description: 'Sender-constrained access token (RFC 9449), with a proof in the DPoP header',
  },
};

function parametersOf(route: Route, schemas: Schemas): Json[] {
  const places = [
    ['params', 'path'],
    ['query', 'query'],
    ['headers', 'header'],
  ] as const;
  return places.flatMap(([part, place]) => {
    if (!route[part]) return [];
    const { properties = {}, required = [] } = schemas.input(route, part) as {
      properties?: Record<string, Json>;
      required?: string[];
    };
    return Object.entries(properties).map(([name, { description, ...schema }]) => ({
      name,
      in: place,
      required: place === 'path' || required.includes(name),
      ...(description === undefined ? {} : { description }),
      schema,
    }));
  });
}

function requestBodyOf(route: Route, schemas: Schemas): Json {
  const { body, examples } = route;
  if (!body) return {};
  const named = Object.entries(examples ?? {}).map(([name, value]) => [name, { value }]);
  return {
    requestBody: {
      required: !body.safeParse(undefined).success,
      content: {
        'application/json': {
          schema: schemas.input(route, 'body'),
          ...(named.length === 0 ? {} : { examples: Object.fromEntries(named) }),
        },
      },
    },
  };
}

const binary = { schema: {} };

function contentOf(route: Route, status: string, spec: ResponseSpec, schemas: Schemas): Json {
  if (spec === null) return {};
  if (isFileSpec(spec)) {
    return { content: Object.fromEntries(spec.mediaTypes.map((type) => [type, binary])) };
  }
  return { content: { 'application/json': { schema: schemas.output(route, status) } } };
}

const DESCRIPTIONS: Readonly<Record<number, string>> = {
  200: 'Done',
  201: 'Created',
  202: 'Accepted',
  204: 'Done; nothing to say',
  303: 'See the Location header',
};

const headerOf = (description: string, type = 'string'): Json => ({
  description,
  schema: { type },
});

function problemHeaders(status: number): Json {
  if (status === 401) {
    return { headers: { 'WWW-Authenticate': headerOf('Which credential would do') } };
  }
  const waits = status === 423 || status === 429 || status === 503;
  return waits ? { headers: { 'Retry-After': headerOf('Seconds to wait', 'integer') } } : {};
}

function problemResponse(codes: readonly ErrorCode[]): Json {
  const status = ERRORS[codes[0] ?? 'IDENT_INTERNAL'].status;
  return {
    description: codes.map((code) => `${code}: ${ERRORS[code].title}`).join('; '),
    ...problemHeaders(status),
    content: {
      'application/problem+json': {
        schema: {
          allOf: [
            { $ref: '#/components/schemas/Problem' },
            { type: 'object', properties: { code: { enum: codes }, status: { const: status } } },
          ],
        },
      },
    },
  };
}

/** Codes of a route by status, each set under the name of its shared response. */
function problemsOf(route: Route): Map<number, { name: string; codes: ErrorCode[] }> {
  const byStatus = Map.groupBy(errorsOf(route), (code) => ERRORS[code].status);
  return new Map(
    [...byStatus].map(([status, codes]) => [status, { name: codes.join('.'), codes }]),
  );
}

function securityOf(auth: AuthKind, scope: string | undefined): Json[] {
  return AUTH[auth].schemes.map((scheme) => ({ [scheme]: scope === undefined ? [] : [scope] }));
}

function operationOf(route: Route, schemas: Schemas): Json {
  const { description, deprecated, permission, auth, scope } = route;
  const parameters = parametersOf(route, schemas);
  const successes = Object.entries(route.responses).map(([status, spec]) => [
    status,
    {
      description: DESCRIPTIONS[Number(status)] ?? 'Done',
      ...contentOf(route, status, spec, schemas),
    },
  ]);
  const failures = [...problemsOf(route)].map(([status, { name }]) => [
    String(status),
    { $ref: `#/components/responses/${name}` },
  ]);
  return {
    operationId: route.operationId,
    summary: route.summary,
    ...(description === undefined ? {} : { description }),
    tags: route.tags,
    ...(deprecated ? { deprecated } : {}),
    ...(permission === undefined ? {} : { 'x-permission': permission }),
    security: securityOf(auth, scope),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...requestBodyOf(route, schemas),
    responses: Object.fromEntries([...successes, ...failures]),
  };
}

const METHOD_ORDER = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/**
 * The OpenAPI 3.1 document of a set of routes. The same routes give the same
 * text, whatever order they are declared in. Schemas with `.meta({ id })`
 * become components.
 */
export function toOpenApi(options: OpenApiOptions): Json {
  const { basePath = '', info, servers } = options;
  const routes = [...options.routes].sort(
    (a, b) =>
      (a.path < b.path ? -1 : a.path > b.path ? 1 : 0) ||
      METHOD_ORDER.indexOf(a.method) - METHOD_ORDER.indexOf(b.method),
  );
  const schemas = buildSchemas(routes);
  const paths: Record<string, Json> = {};
  const responses: Json = {};
  for (const route of routes) {
    const path = `${basePath}${route.path}`.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route, schemas) };
    for (const { name, codes } of problemsOf(route).values())
      responses[name] = problemResponse(codes);
  }
  const tags = [...new Set(routes.flatMap((route) => route.tags))].sort();
  return {
    openapi: '3.1.0',
    info,
    servers,
    tags: tags.map((name) => ({ name })),
    paths,
    components: {
      schemas: schemas.components,
      responses: sorted(responses),
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}
