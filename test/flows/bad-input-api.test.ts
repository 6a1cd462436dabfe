import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../helpers/fast-check.ts';
import { assertProblem, assertSound, oddAuthorizations, oddValue, send } from './raw-http.ts';
import { bearer, createWorld, signInForTokens } from './support.ts';

const world = await createWorld();
const { url, deps } = world;
const { accessToken, refreshToken } = await signInForTokens(world);
const JSON_TYPE = { accept: 'application/json' };

test('every declared route refuses a stranger with a problem document and a challenge', async () => {
  for (const route of deps.routes) {
    if (route.auth === 'none') continue;
    const path = `/api/v1${route.path.replace(/:\w+/g, 'x')}`;
    const answer = await send(url, { method: route.method, path, headers: JSON_TYPE });
    assertProblem(answer, path);
    assert.equal(answer.status, 401);
    assert.match(
      String(answer.headers['www-authenticate']),
      /^Bearer realm="gatehouse", DPoP realm="gatehouse", algs="[\w ]+"$/,
    );
  }
});

test('malformed credentials are refused by 400 or 401, none passes (GHSA-gv94-wp4h-vv8p)', async () => {
  for (const authorization of oddAuthorizations) {
    const headers = { authorization: Buffer.from(authorization, 'utf8').toString('latin1') };
    const answer = await send(url, { path: '/api/v1/me', headers });
    assertProblem(answer, authorization);
    assert.ok(answer.status === 400 || answer.status === 401, authorization);
  }
});

test('two credentials are one too many', async () => {
  const { authorization } = bearer(accessToken);
  for (const headers of [
    { authorization: [authorization, authorization] },
    { authorization, 'x-api-key': 'key' },
    { authorization: [authorization, 'Basic YTpi'] },
  ] as Record<string, string | string[]>[]) {
    const answer = await send(url, { path: '/api/v1/me', headers });
    assertProblem(answer, headers);
    assert.equal(answer.status, 400);
  }
});

test('a token is taken from its header alone', async () => {
  for (const path of [
    `/api/v1/me?access_token=${accessToken}`,
    `/api/v1/me?token=${accessToken}`,
  ]) {
    const answer = await send(url, { path });
    assertProblem(answer, 'token in the query');
    assert.equal(answer.status, 401);
  }
});

test('any token-like text is refused, never an error of ours', async () => {
  await fc.assert(
    fc.asyncProperty(oddValue, fc.nat(accessToken.length), async (value, cut) => {
      const text = value.replace(/[^\x21-\x7e]/g, '').slice(0, 4_000);
      for (const token of [text, accessToken.slice(0, cut) + text]) {
        if (token === '' || token === accessToken) continue;
        const answer = await send(url, { path: '/api/v1/me', headers: bearer(token) });
        assertProblem(answer, token);
        assert.ok([400, 401, 431].includes(answer.status), `${answer.status} ${token}`);
      }
    }),
    { numRuns: 150 },
  );
});

test('unknown paths and methods below the API are problem documents', async () => {
  for (const path of ['/api/v1', '/api/v1/', '/api/v1/nowhere', '/api/v1/me/', '/api/v1/ME']) {
    const answer = await send(url, { path, headers: bearer(accessToken) });
    assertProblem(answer, path);
    assert.equal(answer.status, 404);
  }
  for (const method of ['POST', 'PUT', 'PROPFIND']) {
    const answer = await send(url, { method, path: '/api/v1/me', headers: bearer(accessToken) });
    assertProblem(answer, method);
    assert.equal(answer.status, 405);
    assert.match(String(answer.headers.allow), /GET/);
  }
});

test('unknown query parameters do not break a read', async () => {
  await fc.assert(
    fc.asyncProperty(oddValue, async (value) => {
      const query = new URLSearchParams({ x: value.toWellFormed(), __proto__x: '1' });
      const path = `/api/v1/me?${query}&__proto__[a]=1&x=2`;
      const answer = await send(url, { path, headers: bearer(accessToken) });
      assertSound(answer, path);
    }),
    { numRuns: 60 },
  );
});

test('headers beyond their bound are refused by the server itself', async () => {
  const answer = await send(url, {
    path: '/api/v1/me',
    headers: { 'x-filler': 'x'.repeat(40_000) },
  });
  assert.equal(answer.status, 431);
});

test('the answer is not cached and names no insides', async () => {
  const answer = await send(url, { path: '/api/v1/me', headers: bearer(accessToken) });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.equal(answer.headers['x-powered-by'], undefined);
  assert.doesNotMatch(answer.body, /hash|secret|sealed|password/i);
});

test('public operations pages take no body and no other method', async () => {
  for (const path of ['/health/live', '/health/ready', '/metrics', '/openapi.json']) {
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const answer = await send(url, { method, path, body: 'x' });
      assertProblem(answer, [method, path]);
      assert.equal(answer.status, 405);
    }
  }
});

test('the log of all this holds no token, whole or in part (ASVS 16.2.5)', () => {
  const text = JSON.stringify(world.logs);
  const signature = accessToken.split('.')[2] ?? accessToken;
  for (const secret of [accessToken, signature, refreshToken, world.people.user.email]) {
    assert.ok(!text.includes(secret), `logged: ${secret.slice(0, 6)}…`);
  }
});
