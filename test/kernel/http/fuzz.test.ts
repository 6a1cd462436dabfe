import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../helpers/fast-check.ts';
import { serveRoutes } from './harness.ts';
import { sampleRoutes } from './sample-routes.ts';

const app = await serveRoutes(sampleRoutes);

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'];
const segment = fc.oneof(
  fc.constantFrom('notes', 'me', 'export', 'limited', 'internal', 'nothing'),
  fc.uuid(),
  fc.string({ maxLength: 12 }).map(encodeURIComponent),
);
const key = fc.oneof(
  fc.constantFrom('format', 'limit', 'text', 'stars', '__proto__', 'constructor', 'toString'),
  fc.string({ maxLength: 8 }),
);
// `bad` makes the sample break its own contract, which is a 500 on purpose.
const value = fc.string({ maxLength: 20 }).filter((text) => text !== 'bad');
const header = fc.stringMatching(/^[\x21-\x7e]([\x20-\x7e]{0,30}[\x21-\x7e])?$/);

const request = fc.record({
  method: fc.constantFrom(...METHODS),
  path: fc.array(segment, { maxLength: 4 }),
  query: fc.array(fc.tuple(key, value), { maxLength: 4 }),
  headers: fc.record(
    {
      authorization: fc.oneof(fc.constant('Bearer good'), header),
      'x-api-key': header,
      'idempotency-key': header,
      'x-request-id': header,
      'x-forwarded-for': header,
      'content-type': fc.oneof(fc.constant('application/json'), header),
      traceparent: header,
    },
    { requiredKeys: [] },
  ),
  body: fc.oneof(
    fc.dictionary(key, fc.jsonValue(), { maxKeys: 4 }).map((body) => JSON.stringify(body)),
    fc.string(),
  ),
});

test('no request makes an error of ours, and every error is a problem document', async () => {
  const property = fc.asyncProperty(request, async ({ method, path, query, headers, body }) => {
    const url = `${app.url}/${path.join('/')}?${new URLSearchParams(query)}`;
    const bare = method === 'GET' || method === 'HEAD';
    const response = await fetch(url, { method, headers, ...(bare ? {} : { body }) });
    assert.ok(response.status < 500, `${method} ${url}: ${response.status}`);
    const text = await response.text();
    if (response.status < 400 || method === 'HEAD') return;
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
    assert.match(JSON.parse(text).code, /^IDENT_/);
    assert.ok(response.headers.get('x-request-id'));
  });
  await fc.assert(property, { numRuns: 500 });
  assert.deepEqual(app.breaches, []);
});
