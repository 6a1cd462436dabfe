import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/config.ts';
import { startGatehouse, testEnvironment } from '../helpers/gatehouse.ts';

/** Scripts of other origins at the JSON API (Fetch 3.3, ASVS 3.4.2): named origins, never cookies. */

const APP = 'https://app.lotus.example';
const OTHERS = [
  'https://evil.example',
  `${APP}.evil.example`,
  `${APP}:8443`,
  'http://app.lotus.example',
  'https://APP.lotus.example',
  'null',
];
const { url } = await startGatehouse({ settings: { API_CORS_ORIGINS: APP } });
const PATH = '/api/v1/auth/refresh';

const preflight = (base: string, origin: string, path = PATH) =>
  fetch(base + path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    },
  });
const call = (base: string, origin: string) =>
  fetch(base + PATH, {
    method: 'POST',
    headers: { origin, 'content-type': 'application/json' },
    body: JSON.stringify({ refreshToken: 'x' }),
  });
const corsHeaders = ({ headers }: Response) =>
  [...headers.keys()].filter((name) => name.startsWith('access-control-'));

test('a named origin may ask and read, errors too, without cookies', async () => {
  const asked = await preflight(url, APP);
  assert.equal(asked.status, 204);
  assert.equal(asked.headers.get('access-control-allow-origin'), APP);
  assert.equal(asked.headers.get('access-control-allow-methods'), 'POST');
  const allowed = (asked.headers.get('access-control-allow-headers') ?? '').toLowerCase();
  for (const name of ['authorization', 'content-type', 'dpop']) assert.ok(allowed.includes(name));
  const answer = await call(url, APP);
  assert.equal(answer.status, 401);
  assert.equal(answer.headers.get('access-control-allow-origin'), APP);
  assert.match(answer.headers.get('access-control-expose-headers') ?? '', /Retry-After/);
  for (const { headers } of [asked, answer]) {
    assert.equal(headers.get('access-control-allow-credentials'), null);
    assert.match(headers.get('vary') ?? '', /origin/i);
  }
});

test('another origin, however alike, is not told that it may', async () => {
  for (const origin of OTHERS) {
    for (const response of [await preflight(url, origin), await call(url, origin)]) {
      assert.deepEqual(corsHeaders(response), [], origin);
      assert.match(response.headers.get('vary') ?? '', /origin/i);
    }
  }
});

test('pages and other paths are not shared with it', async () => {
  for (const path of ['/', '/authorize', '/api', '/openapi.json']) {
    assert.deepEqual(corsHeaders(await preflight(url, APP, path)), [], path);
  }
});

test('by default no origin is named', async () => {
  const plain = await startGatehouse();
  for (const response of [await preflight(plain.url, APP), await call(plain.url, APP)]) {
    assert.deepEqual(corsHeaders(response), []);
  }
});

test('what is no origin stops the start', async () => {
  const environment = await testEnvironment({ DATABASE_URL: 'postgres://localhost/none' });
  for (const value of ['*', 'app.lotus.example', `${APP}/`, `${APP}/path`, 'null', 'data:x']) {
    assert.throws(
      () => parseConfig({ ...environment, API_CORS_ORIGINS: value }),
      /API_CORS_ORIGINS/,
      value,
    );
  }
});
