import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createApi } from '../../../src/kernel/http/api.ts';
import { createFakeClock } from '../../helpers/clock.ts';
import { json, serveRoutes } from './harness.ts';
import { sampleRoutes } from './sample-routes.ts';

const app = await serveRoutes(sampleRoutes);
const ID = '0190f7b6-0000-7000-8000-000000000001';
const good = { authorization: 'Bearer good' };
const post = (body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${app.url}/notes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

suite('answers', () => {
  test('a member that the response schema does not name never leaves (CVE-2026-40166)', async () => {
    const response = await fetch(`${app.url}/notes/${ID}`);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'application/json');
    assert.deepEqual(await response.json(), { id: ID, text: 'hi', stars: 1 });
  });

  test('every API answer says no-store', async () => {
    for (const path of [`/notes/${ID}`, '/nothing', '/me']) {
      const response = await fetch(app.url + path);
      assert.equal(response.headers.get('cache-control'), 'no-store', path);
    }
  });

  test('a reply carries its own status, headers and defaults', async () => {
    const response = await post({ text: 'x' });
    assert.equal(response.status, 201);
    assert.equal(response.headers.get('location'), `/notes/${ID}`);
    assert.deepEqual(await response.json(), { id: ID, text: 'x', stars: 0 });
    const other = await post({ text: 'x' }, { 'idempotency-key': 'k' });
    assert.equal(other.status, 202);
    assert.equal(await other.text(), '');
  });

  test('a file is answered with its declared media type', async () => {
    const response = await fetch(`${app.url}/notes/export?limit=7`);
    assert.equal(response.headers.get('content-type'), 'text/csv; charset=utf-8');
    assert.equal(await response.text(), 'id\n7\n');
  });

  test('HEAD answers like GET without a body', async () => {
    const response = await fetch(`${app.url}/notes/${ID}`, { method: 'HEAD' });
    assert.equal(response.status, 200);
    assert.equal(await response.text(), '');
    assert.equal(response.headers.get('content-type'), 'application/json');
  });

  test('OPTIONS names the methods; another method is 405 with Allow (RFC 9110 15.5.6)', async () => {
    const options = await fetch(`${app.url}/notes/${ID}`, { method: 'OPTIONS' });
    assert.equal(options.status, 204);
    assert.equal(options.headers.get('allow'), 'DELETE, GET, HEAD, OPTIONS');
    const put = await fetch(`${app.url}/notes/${ID}`, { method: 'PUT' });
    assert.equal(put.status, 405);
    assert.equal(put.headers.get('allow'), 'DELETE, GET, HEAD, OPTIONS');
    assert.equal((await json(put)).code, 'IDENT_METHOD_NOT_ALLOWED');
  });

  test('an unknown path below the base is a 404 problem, one outside is passed on', async () => {
    const inside = await fetch(`${app.url}/nothing`);
    assert.equal(inside.status, 404);
    assert.equal(inside.headers.get('content-type'), 'application/problem+json');
    const outside = await fetch(new URL('/api/v1x', app.url));
    assert.equal(outside.headers.get('content-type'), 'text/plain; charset=utf-8');
  });

  test('a literal path wins over a parameter, however the routes are ordered', async () => {
    const reversed = await serveRoutes([...sampleRoutes].reverse());
    for (const url of [app.url, reversed.url]) {
      assert.equal((await fetch(`${url}/notes/export`)).status, 200);
    }
  });
});

suite('input', () => {
  const errorsOf = async (response: Response) => {
    assert.equal(response.status, 400);
    const problem = await json(response);
    assert.equal(problem.code, 'IDENT_VALIDATION');
    return Object.fromEntries((problem.errors ?? []).map((e) => [e.path, e.message]));
  };

  test('one answer names every invalid field by its path', async () => {
    const errors = await errorsOf(await post({ stars: 9, place: { city: 5 } }));
    assert.deepEqual(Object.keys(errors).sort(), ['place.city', 'stars', 'text']);
  });

  test('unknown members are named, nested ones too', async () => {
    const errors = await errorsOf(
      await post({ text: 'x', admin: true, place: { city: 'a', z: 1 } }),
    );
    assert.deepEqual(Object.keys(errors).sort(), ['admin', 'place.z']);
  });

  test('a missing body is an invalid request, not a media type error', async () => {
    const response = await fetch(`${app.url}/notes`, { method: 'POST' });
    assert.ok((await errorsOf(response)).body);
  });

  test('a repeated query parameter is refused rather than chosen from (CVE-2026-9689)', async () => {
    const errors = await errorsOf(await fetch(`${app.url}/notes/export?limit=1&limit=2`));
    assert.deepEqual(Object.keys(errors), ['query.limit']);
  });

  test('unknown query parameters are refused where a route declares its query', async () => {
    const errors = await errorsOf(await fetch(`${app.url}/notes/export?limt=1`));
    assert.deepEqual(Object.keys(errors), ['query.limt']);
    assert.equal((await fetch(`${app.url}/notes/${ID}?utm=1`)).status, 200);
  });

  test('path parameters and headers are validated under their own names', async () => {
    assert.ok((await errorsOf(await fetch(`${app.url}/notes/7`)))['path.id']);
    const long = await post({ text: 'x' }, { 'idempotency-key': 'k'.repeat(41) });
    assert.ok((await errorsOf(long))['header.idempotency-key']);
  });
});

suite('the fixed order', () => {
  test('limit comes before authentication, validation after it', async () => {
    app.steps.length = 0;
    const response = await fetch(`${app.url}/limited`);
    assert.equal(response.status, 401);
    assert.deepEqual(app.steps, ['limit:sensitive']);
    await fetch(`${app.url}/limited`, { headers: good });
    assert.deepEqual(app.steps.slice(1), ['limit:sensitive', 'authenticate:bearer']);
    const invalid = await fetch(`${app.url}/notes/7`, { method: 'DELETE' });
    assert.equal(invalid.status, 401, 'an anonymous caller learns nothing of validation');
  });

  test('a refused budget answers 429 with Retry-After and the RateLimit headers', async () => {
    const limited = await serveRoutes(sampleRoutes, {
      limiter: async () => ({
        allowed: false,
        retryAfter: 42,
        headers: { 'RateLimit-Remaining': '0' },
      }),
    });
    const response = await fetch(`${limited.url}/limited`, { headers: good });
    assert.equal(response.status, 429);
    assert.equal(response.headers.get('retry-after'), '42');
    assert.equal(response.headers.get('ratelimit-remaining'), '0');
    assert.equal((await json(response)).code, 'IDENT_RATE_LIMITED');
  });

  test('when budgets or credentials cannot be checked, nothing is let through (ASVS 16.5.3)', async () => {
    const down = async () => {
      throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    };
    for (const overrides of [{ limiter: down }, { authenticate: down }, { authorise: down }]) {
      const closed = await serveRoutes(sampleRoutes, overrides);
      const path = 'authorise' in overrides ? '/admin' : '/limited';
      const response = await fetch(closed.url + path, { headers: good });
      assert.equal(response.status, 503);
      assert.ok(response.headers.get('retry-after'));
      assert.equal((await json(response)).code, 'IDENT_UNAVAILABLE');
    }
  });
});

suite('rights', () => {
  const status = async (path: string, headers: Record<string, string>) => {
    const response = await fetch(app.url + path, { headers });
    return [response.status, response.headers.get('www-authenticate')] as const;
  };

  test('without a credential the challenge names the scheme and no error (RFC 6750 3.1)', async () => {
    assert.deepEqual(await status('/me', {}), [401, 'Bearer realm="gatehouse"']);
  });

  test('a bad token is told as invalid_token', async () => {
    const [code, challenge] = await status('/me', { authorization: 'Bearer bad' });
    assert.deepEqual([code, challenge], [401, 'Bearer realm="gatehouse", error="invalid_token"']);
  });

  test('a missing scope is 403 insufficient_scope (RFC 6750 3.1)', async () => {
    const [code, challenge] = await status('/writes', good);
    assert.equal(code, 403);
    assert.match(challenge ?? '', /error="insufficient_scope", scope="notes:write"/);
  });

  test('a weak or old sign-in is asked to step up (RFC 9470 3)', async () => {
    const [code, challenge] = await status('/fresh', good);
    assert.equal(code, 401);
    assert.match(
      challenge ?? '',
      /error="insufficient_user_authentication", acr_values="urn:gatehouse:acr:2fa", max_age="300"/,
    );
  });

  test('a permission is decided by the port, for each caller', async () => {
    assert.equal((await status('/admin', good))[0], 403);
    assert.equal((await status('/admin', { 'x-api-key': 'key' }))[0], 204);
  });

  test('a credential of a kind that the route does not take is no credential', async () => {
    assert.equal((await status('/me', { 'x-api-key': 'key' }))[0], 401);
    assert.equal((await status('/internal', { authorization: 'Basic dXNlcjpwdw==' }))[0], 204);
    assert.equal((await status('/internal', good))[0], 403, 'a person is no sister service');
  });

  test('a permission that nothing decides on stops the start', () => {
    const options = {
      routes: sampleRoutes,
      basePath: '/x',
      clock: createFakeClock(),
      limiter: async () => ({ allowed: true, retryAfter: 0, headers: {} }),
      authenticate: async () => null,
    } as const;
    assert.throws(() => createApi(options), /permission/);
  });
});
