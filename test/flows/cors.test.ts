import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedClient } from '../helpers/gatehouse.ts';
import { bearer, createWorld, obtainCode, postForm, signInForTokens } from './support.ts';

const world = await createWorld();
const { url } = world;
const ORIGIN = 'https://spa.lotus.example';
const spa = await seedClient(world.deps, world.people.tenantId, {
  metadata: {
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: ['http://localhost:4999/callback', `${ORIGIN}/callback`],
  },
});

const allowedOrigin = (headers: Headers) => headers.get('access-control-allow-origin');

test('a preflight of the token endpoint is answered', async () => {
  const response = await fetch(`${url}/token`, {
    method: 'OPTIONS',
    headers: { origin: ORIGIN, 'access-control-request-method': 'POST' },
  });
  assert.ok(response.ok);
  assert.match(response.headers.get('access-control-allow-methods') ?? '', /POST/);
  assert.equal(response.headers.get('access-control-allow-credentials'), null);
});

test("a public client reads tokens from its own redirect URI's origin", async () => {
  const { form } = await obtainCode(world, { client: spa });
  const named = { ...form, client_id: spa.clientId };
  const { status, headers } = await postForm(`${url}/token`, named, { origin: ORIGIN });
  assert.equal(status, 200);
  assert.equal(allowedOrigin(headers), ORIGIN);
  assert.match(headers.get('vary') ?? '', /origin/i);
});

test('from another origin, or from no origin in particular, it does not', async () => {
  for (const origin of ['https://evil.example', `${ORIGIN}.evil.example`, 'null']) {
    const { form } = await obtainCode(world, { client: spa });
    const answer = await postForm(`${url}/token`, { ...form, client_id: spa.clientId }, { origin });
    assert.notEqual(allowedOrigin(answer.headers), origin);
    assert.notEqual(allowedOrigin(answer.headers), '*');
  }
});

test('userinfo is read by its client from its own origin alone', async () => {
  const { accessToken } = await signInForTokens(world, { client: spa });
  const ask = (origin: string) =>
    fetch(`${url}/userinfo`, { headers: { ...bearer(accessToken), origin } });
  assert.equal(allowedOrigin((await ask(ORIGIN)).headers), ORIGIN);
  assert.notEqual(
    allowedOrigin((await ask('https://evil.example')).headers),
    'https://evil.example',
  );
});

test('pages carry no CORS headers and cannot be framed (ASVS 3.4.2, 3.4.6)', async () => {
  for (const path of ['/', '/authorize', '/logout', '/interaction/x']) {
    const response = await fetch(url + path, {
      headers: { origin: ORIGIN, accept: 'text/html' },
      redirect: 'manual',
    });
    assert.equal(allowedOrigin(response.headers), null, path);
    assert.match(response.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/);
    assert.equal(response.headers.get('x-frame-options'), 'DENY', path);
    assert.equal(response.headers.get('referrer-policy'), 'no-referrer', path);
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff', path);
  }
});
