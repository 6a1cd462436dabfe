import { readFileSync } from 'node:fs';
import type { Route } from './kernel/http/index.ts';
import { toOpenApi } from './kernel/openapi.ts';

const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string };

/** The OpenAPI 3.1 document of the API, as served and as committed. */
export const openApiDocument = (routes: readonly Route[], issuer: string) =>
  toOpenApi({
    routes,
    basePath: '/api/v1',
    info: {
      title: 'Gatehouse',
      version,
      description: 'Identity API of Gatehouse. OAuth 2 and OpenID Connect are found by discovery.',
    },
    servers: [{ url: issuer }],
  });
