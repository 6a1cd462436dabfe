import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedClient } from '../helpers/gatehouse.ts';
import { basic, createWorld, postForm, refresh, signInForTokens } from './support.ts';

const world = await createWorld();
const { url, client, people } = world;

test('a refresh gives new tokens of every kind and keeps the subject', async () => {
  const first = await signInForTokens(world);
  const { status, body } = await refresh(url, client, first.refreshToken);
  assert.equal(status, 200);
  assert.equal(body.token_type, 'Bearer');
  assert.equal(body.expires_in, 900);
  assert.notEqual(body.refresh_token, first.refreshToken);
  assert.notEqual(body.access_token, first.accessToken);
  assert.equal(typeof body.id_token, 'string');
});

test('the scope cannot widen on refresh, only narrow (RFC 6749 6)', async () => {
  const first = await signInForTokens(world, { parameters: { scope: 'openid email' } });
  const wide = { scope: 'openid email profile tenant:users:write' };
  const refused = await refresh(url, client, first.refreshToken, wide);
  assert.equal(refused.status, 400);
  assert.equal(refused.body.error, 'invalid_scope');
  const narrow = await refresh(url, client, first.refreshToken, { scope: 'openid' });
  assert.equal(narrow.status, 200);
  assert.equal(narrow.body.scope, 'openid');
});

test('a resource that was not granted cannot be asked for on refresh (RFC 9700 2.3)', async () => {
  const first = await signInForTokens(world);
  const answer = await refresh(url, client, first.refreshToken, {
    resource: 'https://elsewhere.example/api',
  });
  assert.equal(answer.status, 400);
  assert.equal(answer.body.error, 'invalid_target');
});

test('a refresh token is of use to its own client only (RFC 9700 2.2.2)', async () => {
  const other = await seedClient(world.deps, people.tenantId);
  const first = await signInForTokens(world);
  const stolen = await refresh(url, other, first.refreshToken);
  assert.equal(stolen.body.error, 'invalid_grant');
  assert.equal((await refresh(url, client, first.refreshToken)).status, 200);
});

test('rotation does not prolong: eight hours after the sign-in the family ends (ASVS 10.4.8)', async (t) => {
  const start = Date.now();
  const hours = (count: number) => start + count * 3_600_000;
  const first = await signInForTokens(world);
  t.mock.timers.enable({ apis: ['Date'], now: start });
  let token = first.refreshToken;
  for (const hour of [3, 6, 7.9]) {
    t.mock.timers.setTime(hours(hour));
    const { status, body } = await refresh(url, client, token);
    assert.equal(status, 200, `after ${hour} h`);
    token = String(body.refresh_token);
  }
  t.mock.timers.setTime(hours(8.01));
  const { status, body } = await refresh(url, client, token);
  assert.equal(status, 400);
  assert.equal(body.error, 'invalid_grant');
});

test('lifetimes are configuration: what is set is what is issued', async () => {
  const short = await createWorld({
    settings: { ACCESS_TOKEN_TTL: '60', REFRESH_TOKEN_TTL: '120', ID_TOKEN_TTL: '90' },
  });
  const first = await signInForTokens(short);
  const { body } = await refresh(short.url, short.client, first.refreshToken);
  assert.equal(body.expires_in, 60);
});

test('a client without the refresh_token grant gets no refresh token and cannot use one', async () => {
  const plain = await seedClient(world.deps, people.tenantId, {
    metadata: { grant_types: ['authorization_code'] },
  });
  const { refreshToken } = await signInForTokens(world, { client: plain });
  assert.equal(refreshToken, '');
  const mine = await signInForTokens(world);
  const answer = await refresh(url, plain, mine.refreshToken);
  assert.equal(answer.status, 400);
  assert.equal(answer.body.access_token, undefined);
});

test('tokens travel in answers that no cache keeps (RFC 6749 5.1)', async () => {
  const first = await signInForTokens(world);
  const { headers } = await refresh(url, client, first.refreshToken);
  assert.match(headers.get('cache-control') ?? '', /no-store/);
});

test('the passwords grant and implicit flow are off (RFC 9700 2.4, ASVS 10.4.4)', async () => {
  const { user } = people;
  const form = { grant_type: 'password', username: user.email, password: user.password };
  const { status, body } = await postForm(`${url}/token`, form, basic(client));
  assert.equal(status, 400);
  assert.equal(body.error, 'unsupported_grant_type');
});
