import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type FormEndpoint,
  postRaw,
  testFormEndpoint,
  testNoErrorLogged,
} from './bad-input-support.ts';
import { assertSound, send } from './raw-http.ts';
import { basic, createWorld, signInForTokens } from './support.ts';

const world = await createWorld();
const { url, client } = world;
const { accessToken, refreshToken } = await signInForTokens(world);

const FORM = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' };
const CLIENT = basic(client);

const ENDPOINTS: FormEndpoint[] = [
  {
    path: '/token',
    names: [
      ...['grant_type', 'code', 'redirect_uri', 'code_verifier', 'refresh_token', 'scope'],
      ...['resource', 'client_id', 'client_secret', 'client_assertion', 'client_assertion_type'],
    ],
    base: { grant_type: 'refresh_token', refresh_token: 'ghr_x' },
  },
  {
    path: '/introspect',
    names: ['token', 'token_type_hint', 'client_id', 'client_secret'],
    base: { token: 'x' },
  },
  {
    path: '/revoke',
    names: ['token', 'token_type_hint', 'client_id', 'client_secret'],
    base: { token: 'x' },
  },
  {
    path: '/userinfo',
    names: ['access_token', 'scope'],
    base: { token: 'x' },
    methods: ['GET', 'HEAD'],
  },
];

const post = (path: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  postRaw(url, path, body, headers);

for (const endpoint of ENDPOINTS) testFormEndpoint(world, client, endpoint);

test('tokens in a query are not taken (RFC 9700 4.3)', async () => {
  const query = `access_token=${accessToken}`;
  const answer = await send(url, { path: `/userinfo?${query}`, headers: FORM });
  assert.ok(answer.status === 400 || answer.status === 401);
  const inQuery = await post(
    `/token?grant_type=refresh_token&refresh_token=${refreshToken}`,
    '',
    CLIENT,
  );
  assert.equal(inQuery.status, 400);
});

test('an error never echoes what was sent as markup', async () => {
  const script = '<script>alert(1)</script>';
  for (const { path } of ENDPOINTS) {
    const form = new URLSearchParams({ grant_type: script, token: script, client_id: script });
    const answer = await post(path, form.toString(), { accept: 'text/html' });
    assertSound(answer, path);
    assert.ok(!answer.body.includes(script), path);
  }
});

testNoErrorLogged(world);

test('the prototype of nothing was touched', () => {
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

test('the log of all this holds no secret (ASVS 16.2.5)', () => {
  const text = JSON.stringify(world.logs);
  assert.ok(world.logs.length > 100);
  const { email, password } = world.people.user;
  for (const secret of [accessToken, refreshToken, client.clientSecret, email, password]) {
    assert.ok(!text.includes(secret), `logged: ${secret.slice(0, 6)}…`);
  }
  assert.ok(!text.includes(CLIENT.authorization));
});
