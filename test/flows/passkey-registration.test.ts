import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAuthenticator } from '../helpers/authenticator.ts';
import { callApi } from './auth-support.ts';
import { createPasskeyFlows, REGISTER } from './passkey-support.ts';
import { assertProblem } from './proof-support.ts';

/** Registering passkeys by the JSON API. */

const world = await createPasskeyFlows();
const { url, clock, call, signIn, register } = world;

test('the first passkey comes with ten recovery codes, told once; further ones with none', async () => {
  const { token } = await signIn();
  const first = await register(token, createAuthenticator({ origin: url }));
  assert.equal(first.status, 200, JSON.stringify(first.body));
  const { authenticator, recoveryCodes } = first.body as {
    authenticator: { id: string; type: string; disabled: boolean; backedUp: boolean };
    recoveryCodes: string[];
  };
  assert.equal(authenticator.type, 'webauthn');
  assert.equal(authenticator.disabled, false);
  assert.equal(authenticator.backedUp, false);
  assert.equal(new Set(recoveryCodes).size, 10);
  const second = await register(token, createAuthenticator({ origin: url }));
  assert.equal(second.body.recoveryCodes, undefined);
  const listed = await callApi(url, 'GET', '/me/mfa', { token });
  const ids = (listed.body.authenticators as unknown as { id: string }[]).map(({ id }) => id);
  assert.equal(ids.length, 2);
  assert.equal(ids[0], authenticator.id);
});

test('the person names a passkey, else whoever keeps it or the browser does', async () => {
  const { token } = await signIn();
  const options = await call(`${REGISTER}/options`, undefined, token);
  const device = createAuthenticator({ origin: url });
  const response = device.create(options.body as unknown as Parameters<typeof device.create>[0]);
  const named = await call(REGISTER, { name: '  Chìa khóa xanh ', response }, token);
  assert.equal((named.body.authenticator as unknown as { name: string }).name, 'Chìa khóa xanh');
});

test('the sixth passkey is refused with 422, when it is begun and when it ends', async () => {
  const { token } = await signIn();
  const begun = await call(`${REGISTER}/options`, undefined, token);
  for (let made = 0; made < 5; made += 1) {
    const answer = await register(token, createAuthenticator({ origin: url }));
    assert.equal(answer.status, 200);
  }
  assertProblem(await call(`${REGISTER}/options`, undefined, token), 422, 'IDENT_WEBAUTHN_LIMIT');
  const device = createAuthenticator({ origin: url });
  const response = device.create(begun.body as unknown as Parameters<typeof device.create>[0]);
  assertProblem(await call(REGISTER, { response }, token), 422, 'IDENT_WEBAUTHN_LIMIT');
});

test('a passkey is registered by a fresh sign-in only (ASVS 7.5.1, RFC 9470)', async () => {
  const { token } = await signIn();
  const options = await call(`${REGISTER}/options`, undefined, token);
  assert.equal(options.status, 200);
  clock.advance(901_000);
  for (const [path, body] of [
    [`${REGISTER}/options`, undefined],
    [REGISTER, { response: {} }],
  ] as const) {
    const stale = await call(path, body, token);
    assert.equal(stale.status, 401);
    const challenge = stale.headers.get('www-authenticate') ?? '';
    assert.match(challenge, /error="insufficient_user_authentication"/);
    assert.match(challenge, /max_age="?900/);
  }
});

test('what was begun in one session is not ended in another, nor by another person', async () => {
  const mine = await signIn();
  const theirs = await signIn();
  const other = await call('/auth/login', { identifier: mine.email, password: mine.password });
  for (const token of [theirs.token, String(other.body.accessToken)]) {
    const options = await call(`${REGISTER}/options`, undefined, mine.token);
    const device = createAuthenticator({ origin: url });
    const response = device.create(options.body as unknown as Parameters<typeof device.create>[0]);
    assertProblem(await call(REGISTER, { response }, token), 422, 'IDENT_TOKEN_SPENT');
    // The first answer has used it up.
    assertProblem(await call(REGISTER, { response }, mine.token), 422, 'IDENT_TOKEN_SPENT');
  }
});

test('a passkey that is registered already is told as that', async () => {
  const { token, device } = await world.enrol();
  const again = await register(token, device);
  assertProblem(again, 400, 'IDENT_VALIDATION');
  assert.deepEqual(again.body.errors, [{ path: 'response', message: 'is registered already' }]);
});

test('a new passkey can end all other sessions (ASVS 7.4.3)', async () => {
  const mine = await signIn();
  const login = { identifier: mine.email, password: mine.password };
  const other = String((await call('/auth/login', login)).body.accessToken);
  const options = await call(`${REGISTER}/options`, undefined, mine.token);
  const device = createAuthenticator({ origin: url });
  const response = device.create(options.body as unknown as Parameters<typeof device.create>[0]);
  const body = { response, endOtherSessions: true };
  assert.equal((await call(REGISTER, body, mine.token)).status, 200);
  assert.equal((await callApi(url, 'GET', '/me', { token: other })).status, 401);
  assert.equal((await callApi(url, 'GET', '/me', { token: mine.token })).status, 200);
});

test('malformed and oversized answers are refused at the edge', async () => {
  const { token } = await signIn();
  const device = createAuthenticator({ origin: url });
  const good = device.create({ challenge: 'AAAA', rp: { id: 'localhost' }, user: { id: 'AAAA' } });
  for (const response of [
    null,
    'text',
    {},
    { ...good, id: '***' },
    { ...good, response: { ...good.response, attestationObject: 'A'.repeat(40_000) } },
  ]) {
    assertProblem(await call(REGISTER, { response }, token), 400, 'IDENT_VALIDATION');
  }
});
