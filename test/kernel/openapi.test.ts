import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toOpenApi } from '../../src/kernel/openapi.ts';
import { sampleRoutes } from './http/sample-routes.ts';

const build = (routes = sampleRoutes) =>
  toOpenApi({
    routes,
    basePath: '/api/v1',
    info: { title: 'Sample', version: '1.0.0' },
    servers: [{ url: 'https://id.example.com' }],
  });

interface Operation {
  security: object[];
  parameters?: { name: string; in: string; required: boolean; schema: object }[];
  requestBody?: { content: Record<string, { schema: object; examples?: object }> };
  responses: Record<string, { $ref?: string; content?: Record<string, { schema: object }> }>;
}
const document = build() as {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object>; responses: Record<string, object> };
};
const operation = (method: string, path: string): Operation => {
  const found = document.paths[`/api/v1${path}`]?.[method];
  assert.ok(found);
  return found;
};

test('the document is valid OpenAPI 3.1', async () => {
  const { Validator } = await import('@seriousme/openapi-schema-validator');
  const result = await new Validator().validate(structuredClone(document));
  assert.deepEqual(result.errors ?? [], []);
  assert.ok(result.valid);
});

test('the text does not depend on the order of the routes', () => {
  assert.equal(JSON.stringify(build([...sampleRoutes].reverse())), JSON.stringify(document));
});

test('every route is there, and every reference leads somewhere', () => {
  const operations = Object.values(document.paths).flatMap((item) => Object.keys(item));
  assert.equal(operations.length, sampleRoutes.length);
  const references = JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/([^"]+)"/g);
  for (const [, kind = '', name = ''] of references) {
    const components = document.components as unknown as Record<string, Record<string, object>>;
    assert.ok(components[kind]?.[name], `${kind}/${name}`);
  }
});

test('named schemas become components, open for members to come', () => {
  const { schema } =
    operation('get', '/notes/{id}').responses['200']?.content?.['application/json'] ?? {};
  assert.deepEqual(schema, { $ref: '#/components/schemas/Note' });
  assert.ok(!('additionalProperties' in (document.components.schemas.Note ?? {})));
});

test('a request body is closed, with defaults optional and examples shown', () => {
  const body = operation('post', '/notes').requestBody?.content['application/json'];
  const { required, additionalProperties } = (body?.schema ?? {}) as Record<string, unknown>;
  assert.deepEqual(required, ['text']);
  assert.equal(additionalProperties, false);
  assert.deepEqual(body?.examples, { short: { value: { text: 'hello' } } });
});

test('parameters stand where they belong', () => {
  const [id] = operation('get', '/notes/{id}').parameters ?? [];
  assert.deepEqual([id?.name, id?.in, id?.required], ['id', 'path', true]);
  const query = operation('get', '/notes/export').parameters ?? [];
  assert.deepEqual(
    query.map(({ name, in: place, required }) => [name, place, required]),
    [
      ['format', 'query', false],
      ['limit', 'query', false],
    ],
  );
});

test('every error that a route may answer is in it, implied ones too', () => {
  const { responses } = operation('get', '/notes/{id}');
  assert.deepEqual(Object.keys(responses), ['200', '400', '404', '421', '500', '503']);
  assert.equal(responses['404']?.$ref, '#/components/responses/IDENT_NOT_FOUND');
  const limited = Object.keys(operation('get', '/limited').responses);
  assert.ok(limited.includes('429') && limited.includes('401') && limited.includes('403'));
  assert.ok(Object.keys(operation('post', '/notes').responses).includes('415'));
});

test('security says which credentials would do, and an open route that none is needed', () => {
  assert.deepEqual(operation('get', '/notes/{id}').security, []);
  assert.deepEqual(operation('get', '/me').security, [
    { bearer: ['openid'] },
    { dpop: ['openid'] },
  ]);
  assert.deepEqual(operation('get', '/internal').security, [
    { bearer: [] },
    { dpop: [] },
    { basic: [] },
  ]);
});

test('a type that reads differently as input and output is named twice', async () => {
  const { z } = await import('zod');
  const { route } = await import('../../src/kernel/http/route.ts');
  const Setting = z.strictObject({ value: z.string().default('x') }).meta({ id: 'Setting' });
  const { components } = build([
    route({
      method: 'PUT',
      path: '/setting',
      auth: 'none',
      limit: 'none',
      summary: 's',
      tags: ['t'],
      operationId: 'put',
      body: Setting,
      responses: { 200: Setting },
      errors: [],
      handle: ({ body }) => body,
    }),
  ]) as { components: { schemas: Record<string, { required?: string[] }> } };
  assert.deepEqual(Object.keys(components.schemas), ['Problem', 'Setting', 'SettingInput']);
  assert.deepEqual(components.schemas.Setting?.required, ['value']);
  assert.equal(components.schemas.SettingInput?.required, undefined);
});
