import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { z } from 'zod';
import { AppError } from '../../../src/kernel/errors.ts';
import { type Route, reply, route } from '../../../src/kernel/http/route.ts';
import { serveRoutes } from './harness.ts';
import { sampleRoutes } from './sample-routes.ts';

suite('what a route did not declare', () => {
  const facts = { limit: 'none', auth: 'none', tags: ['x'], summary: 's', errors: [] } as const;
  const anything = (name: string, handle: () => unknown): Route =>
    route({
      ...facts,
      method: 'GET',
      path: `/${name}`,
      operationId: name,
      responses: { 200: z.object({ ok: z.boolean() }), 202: null },
      handle: handle as () => never,
    });
  const breaches: [string, () => unknown][] = [
    ['code', () => Promise.reject(new AppError('IDENT_LOCKED', { detail: 'private' }))],
    ['status', () => reply(204, null)],
    ['body', () => reply(200, { ok: 'private' })],
    ['silent', () => ({ ok: true })],
    ['full', () => reply(202, 'private')],
  ];

  for (const [name, handle] of breaches) {
    test(`undeclared ${name}: IDENT_INTERNAL, logged, and told to the tests`, async () => {
      const broken = await serveRoutes([anything(name, handle)]);
      const response = await fetch(`${broken.url}/${name}`);
      const text = await response.text();
      assert.equal(response.status, 500);
      assert.match(text, /IDENT_INTERNAL/);
      assert.doesNotMatch(text, /private|IDENT_LOCKED/);
      assert.equal(broken.breaches.length, 1);
      assert.equal(broken.log.lines.filter((line) => line.level === 'error').length, 1);
    });
  }

  test('an undeclared media type is refused as well', async () => {
    const app = await serveRoutes(sampleRoutes);
    assert.equal((await fetch(`${app.url}/notes/export?format=bad`)).status, 500);
    assert.match(app.breaches.at(-1)?.message ?? '', /text\/html/);
  });
});
