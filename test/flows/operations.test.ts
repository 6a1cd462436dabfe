import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { bearer, createWorld, getJson, refresh, signInForTokens } from './support.ts';

const world = await createWorld({ settings: { ALLOWED_HOSTS: 'alias.example' } });
const { url } = world;
const port = Number(new URL(url).port);

/** Sends a request with a Host header and target of one's own choice. */
function ask(
  path: string,
  headers: Record<string, string>,
): Promise<{ status: number; body: string; headers: NodeJS.Dict<string | string[]> }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, headers }, (incoming) => {
      let body = '';
      incoming.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      incoming.on('end', () =>
        resolve({ status: incoming.statusCode ?? 0, body, headers: incoming.headers }),
      );
    });
    outgoing.on('error', reject).end();
  });
}

for (const [path, alias] of [
  ['/health/live', '/v1/api/identity/healthz'],
  ['/health/ready', '/v1/api/identity/readyz'],
] as const) {
  test(`${path} and ${alias} tell the same, uncached, by any host name`, async () => {
    const [one, other] = await Promise.all([getJson(url + path), getJson(url + alias)]);
    assert.equal(one.status, 200);
    assert.deepEqual(one.body, other.body);
    assert.match(one.headers.get('cache-control') ?? '', /no-store/);
    assert.equal((await ask(path, { host: '10.0.0.7:8080' })).status, 200, 'probes ask by address');
  });
}

test('readiness names each dependency', async () => {
  const { body } = await getJson(`${url}/health/ready`);
  assert.equal(body.status, 'ready');
  assert.deepEqual(body.dependencies, { postgres: 'up', redis: 'up' });
});

test('the metrics have their contracted names and labels', async () => {
  const signedIn = await signInForTokens(world);
  await refresh(url, world.client, signedIn.refreshToken);
  const text = await (await fetch(`${url}/metrics`)).text();
  for (const line of [
    /^auth_login_total\{result="success"\} \d+$/m,
    /^auth_refresh_total\{result="success"\} \d+$/m,
    /^auth_http_request_duration_seconds_bucket\{le="0.3",route="\/token",method="POST",status="200"\} \d+$/m,
    /^auth_dependency_up\{dep="postgres"\} 1$/m,
    /^auth_dependency_up\{dep="redis"\} 1$/m,
    /^auth_hash_queue_depth 0$/m,
    /^auth_outbox_lag_seconds \d/m,
    /^auth_session_revoked_total \d+$/m,
    /^auth_key_age_seconds \d/m,
  ]) {
    assert.match(text, line);
  }
});

test('labels are bounded: unknown paths and methods do not make new series', async () => {
  for (let i = 0; i < 20; i += 1) {
    await getJson(`${url}/random-${i}`);
    await getJson(`${url}/token/random-${i}`);
    await getJson(`${url}/api/v1/random-${i}`);
    await fetch(`${url}/interaction/random-${i}`);
  }
  const text = await (await fetch(`${url}/metrics`)).text();
  assert.doesNotMatch(text, /random-/);
});

test('/metrics asks for its token where one is set', async () => {
  const guarded = await createWorld({ settings: { METRICS_TOKEN: 'a metrics token' } });
  assert.equal((await getJson(`${guarded.url}/metrics`)).status, 401);
  assert.equal((await getJson(`${guarded.url}/metrics`, bearer('another'))).status, 401);
  assert.equal((await getJson(`${guarded.url}/metrics`, bearer('a metrics token'))).status, 200);
});

test('every answer carries a request id: the sane one of the caller, else a new one', async () => {
  for (const path of ['/health/live', '/api/v1/me', '/userinfo', '/', '/nowhere']) {
    const own = await getJson(url + path, { 'x-request-id': 'caller-1.2:3_4' });
    assert.equal(own.headers.get('x-request-id'), 'caller-1.2:3_4', path);
    for (const insane of ['a b', 'x'.repeat(65), '"><script>', '']) {
      const { headers } = await getJson(url + path, { 'x-request-id': insane });
      assert.match(headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/, `${path} ${insane}`);
    }
  }
});

test('a foreign host is misdirected (421), an allowed one is served', async () => {
  for (const host of ['evil.example', 'localhost', `localhost:${port}.evil.example`, 'a b', '']) {
    const { status } = await ask('/authorize', { host });
    assert.ok(status === 421 || (host === '' && status === 400), `${host}: ${status}`);
  }
  const { status } = await ask('/userinfo', { host: 'alias.example' });
  assert.equal(status, 401);
});

test('a stranger cannot choose host or scheme by forwarded headers (RFC 9700 4.13)', async () => {
  const { status, body } = await ask('/authorize?client_id=x', {
    host: `localhost:${port}`,
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    forwarded: 'host=evil.example;proto=https',
    accept: 'text/html',
  });
  assert.equal(status, 400);
  assert.ok(!body.includes('evil.example'));
});

test('a trusted proxy chooses the host, and only a served one', async () => {
  const trusting = await createWorld({ settings: { TRUSTED_PROXIES: '127.0.0.1,::1' } });
  const own = new URL(trusting.url).host;
  const through = (forwardedHost: string) =>
    getJson(`${trusting.url}/userinfo`, { 'x-forwarded-host': forwardedHost });
  assert.equal((await through(own)).status, 401);
  assert.equal((await through('evil.example')).status, 421);
});

test('over HTTPS cookies are secure with the strictest prefix, and HSTS is sent (ASVS 3.3.1, 3.4.1)', async () => {
  const secure = await createWorld({
    settings: { ISSUER: 'https://id.lotus.example', TRUSTED_PROXIES: '127.0.0.1,::1' },
  });
  const at = `http://localhost:${secure.config.PORT}`;
  const query = new URLSearchParams({
    client_id: secure.client.clientId,
    redirect_uri: secure.client.redirectUri,
    response_type: 'code',
    scope: 'openid',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  });
  const response = await fetch(`${at}/authorize?${query}`, {
    redirect: 'manual',
    headers: { 'x-forwarded-host': 'id.lotus.example', 'x-forwarded-proto': 'https' },
  });
  assert.equal(response.status, 303);
  const cookies = response.headers.getSetCookie();
  assert.ok(cookies.length > 0);
  for (const cookie of cookies) {
    assert.match(cookie, /^__(Host|Secure)-/);
    assert.match(cookie, /; secure/i);
    assert.match(cookie, /; httponly/i);
    assert.match(cookie, /; samesite=lax/i);
  }
  assert.match(response.headers.get('strict-transport-security') ?? '', /max-age=63072000/);
});
