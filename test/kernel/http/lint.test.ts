import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { lintRoutes } from '../../../src/kernel/http/lint.ts';
import { type Route, route } from '../../../src/kernel/http/route.ts';
import { sampleRoutes } from './sample-routes.ts';

const base = {
  method: 'POST',
  path: '/things',
  auth: 'none',
  limit: 'none',
  summary: 's',
  tags: ['t'],
  operationId: 'things',
  responses: { 204: null },
  errors: [],
} as const;
const make = (changes: Partial<Route>): Route =>
  ({ ...route({ ...base, handle: () => {} }), ...changes }) as Route;

test('a sound set of routes has nothing to complain about', () => {
  assert.deepEqual(lintRoutes(sampleRoutes), []);
});

const cases: [string, Partial<Route>[], RegExp][] = [
  ['two routes on one path', [{}, { operationId: 'b' }], /POST \/things is declared twice/],
  [
    'two routes that differ only in the name of a parameter',
    [{ path: '/a/:x' }, { path: '/a/:y', operationId: 'b' }],
    /declared twice/,
  ],
  ['an operationId used twice', [{}, { path: '/b' }], /operationId things is used twice/],
  ['an error declared as a response', [{ responses: { 404: null } }], /404/],
  ['no response at all', [{ responses: {} }], /no response/],
  ['a body on GET', [{ method: 'GET', body: z.string() }], /has a body/],
  ['rights asked of nobody', [{ permission: 'x' }], /rights of nobody/],
  ['a header in upper case', [{ headers: z.object({ 'If-Match': z.string() }) }], /lower case/],
  [
    'a nested object that would drop unknown members',
    [{ body: z.strictObject({ a: z.array(z.object({ b: z.string() })) }) }],
    /body\.properties\.a\.items must be z\.strictObject/,
  ],
];

for (const [title, changes, pattern] of cases) {
  test(`the lint finds ${title}`, () => {
    assert.match(lintRoutes(changes.map(make)).join('\n'), pattern);
  });
}

test('path and params must agree', () => {
  assert.throws(
    () => route({ ...base, path: '/a/:id', handle: () => {} }),
    /params must declare id/,
  );
});

test('handlers are typed by their schemas', () => {
  route({
    ...base,
    body: z.object({ n: z.coerce.number() }),
    responses: { 200: z.object({ n: z.number() }) },
    handle: ({ body, actor, params }) => {
      const nothing: null = actor;
      const absent: undefined = params;
      return { n: body.n + Number(nothing ?? absent ?? 0) };
    },
  });
  route({
    ...base,
    responses: { 200: z.object({ n: z.number() }) },
    // @ts-expect-error the body must fit the declared schema
    handle: () => ({ n: 'one' }),
  });
});
