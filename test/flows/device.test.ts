import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import * as openid from 'openid-client';
import { createFakeClock } from '../helpers/clock.ts';
import { discover } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import {
  answerDevice,
  DEVICE_GRANT,
  enterCode,
  pollDevice,
  seedDeviceClient,
  startDevice,
} from './device-support.ts';
import { basic, createWorld, postForm, refresh, signInForTokens } from './support.ts';

const clock = createFakeClock();
const world = await createWorld({ overrides: { clock } });
const { url, people } = world;
const client = await seedDeviceClient(world);
const credentials = { identifier: people.user.email, password: people.user.password };

const headingOf = ({ html }: { html: string }): string =>
  (/<h1>(.*?)<\/h1>/s.exec(html)?.[1] ?? '').replace(/<[^>]*>/g, '');

/** Lets a device in: enters the code, confirms, signs in. */
async function letIn(userCode: string, agent = createUserAgent(url)) {
  const signIn = await answerDevice(agent, userCode, 'confirm');
  const end = await agent.submit(signIn, '/sign-in', credentials);
  assert.equal(headingOf(end), 'Your device is connected');
  return agent;
}

test('a device gets tokens by openid-client while its person signs in elsewhere (RFC 8628)', async () => {
  const configuration = await discover(url, client);
  const started = await openid.initiateDeviceAuthorization(configuration, {
    scope: 'openid profile offline_access',
  });
  assert.match(started.user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
  assert.equal(started.verification_uri, `${url}/device`);
  assert.equal(started.interval, 5);
  assert.equal(started.expires_in, 600);
  await letIn(started.user_code);
  const tokens = await openid.pollDeviceAuthorizationGrant(configuration, started);
  assert.equal(tokens.claims()?.sub, people.user.id);
  const claims = decodeJwt(tokens.access_token);
  assert.equal(claims.tid, people.tenantId);
  assert.deepEqual(claims.tids, [people.tenantId]);
  assert.deepEqual(claims.amr, ['pwd']);
  assert.equal(claims.acr, 'urn:gatehouse:acr:1fa');
  assert.ok(tokens.refresh_token);
});

test('a pending code answers authorization_pending, polling too fast slow_down (RFC 8628 3.5)', async () => {
  const { device_code, user_code } = await startDevice(url, client);
  const poll = async () => (await pollDevice(url, client, device_code)).body.error;
  assert.equal(await poll(), 'authorization_pending');
  clock.advance(5_000);
  assert.equal(await poll(), 'authorization_pending');
  clock.advance(2_000);
  assert.equal(await poll(), 'slow_down');
  clock.advance(5_000);
  assert.equal(await poll(), 'slow_down', 'the interval has grown to ten seconds');
  clock.advance(15_000);
  assert.equal(await poll(), 'authorization_pending');
  await letIn(user_code);
  const { status, body } = await pollDevice(url, client, device_code);
  assert.equal(status, 200, 'what is decided is told at once');
  assert.ok(body.access_token);
});

test('of many polls at once one gets the tokens, the others invalid_grant (RFC 6749 5.2)', async () => {
  const { device_code, user_code } = await startDevice(url, client);
  await letIn(user_code);
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => pollDevice(url, client, device_code)),
  );
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  const errors = answers.filter(({ status }) => status !== 200).map(({ body }) => body.error);
  assert.deepEqual(errors, Array(4).fill('invalid_grant'));
});

test('a code that was turned away answers access_denied (RFC 8628 3.5)', async () => {
  const { device_code, user_code } = await startDevice(url, client);
  const end = await answerDevice(createUserAgent(url), user_code, 'abort');
  assert.equal(headingOf(end), 'The device was turned away');
  const { status, body } = await pollDevice(url, client, device_code);
  assert.equal(status, 400);
  assert.equal(body.error, 'access_denied');
});

test('giving up at the sign-in turns the device away', async () => {
  const { device_code, user_code } = await startDevice(url, client);
  const agent = createUserAgent(url);
  const signIn = await answerDevice(agent, user_code, 'confirm');
  const end = await agent.submit(signIn, '/abort', {});
  assert.equal(headingOf(end), 'The device was turned away');
  assert.equal((await pollDevice(url, client, device_code)).body.error, 'access_denied');
});

test('a code from a link is shown, not taken: it still has to be sent and confirmed (RFC 8628 3.3.1)', async () => {
  const started = await startDevice(url, client);
  assert.equal(started.verification_uri_complete, `${url}/device?user_code=${started.user_code}`);
  const agent = createUserAgent(url);
  const page = await agent.follow(started.verification_uri_complete);
  assert.match(page.html, new RegExp(`name="user_code"[^>]*value="${started.user_code}"`));
  assert.doesNotMatch(page.html, /<script/);
  const confirm = await agent.submit(page, '/device', { user_code: started.user_code });
  assert.match(headingOf(confirm), /^Sign in to Lotus Television on another device\?$/);
  const { body } = await pollDevice(url, client, started.device_code);
  assert.equal(body.error, 'authorization_pending');
});

test('the page that asks says which client, which code, and where the request came from (RFC 8628 5.4)', async () => {
  const { user_code } = await startDevice(url, client, {}, { 'user-agent': 'LotusTV/<b>2</b>' });
  const { html } = await enterCode(createUserAgent(url), user_code.toLowerCase().replace('-', ' '));
  assert.match(html, /Lotus Television/);
  assert.match(html, new RegExp(user_code));
  assert.match(html, /127\.0\.0\.1/);
  assert.match(html, /LotusTV\/&lt;b&gt;2/);
  assert.match(html, /Did somebody send you this code\?/);
});

test('addresses for people are those of the issuer, whatever host the client came by', async () => {
  const { ISSUER, PORT } = world.config;
  const response = await postForm(
    `http://localhost:${PORT}/device_authorization`,
    { scope: 'openid' },
    { ...basic(client), 'x-forwarded-host': 'evil.example' },
  );
  assert.equal(response.body.verification_uri, `${ISSUER}/device`);
  assert.ok(String(response.body.verification_uri_complete).startsWith(`${ISSUER}/device?`));
});

test('a third-party client needs consent, in the acting tenant, after the device is confirmed', async () => {
  const other = await seedDeviceClient(world, { isFirstParty: false });
  const { device_code, user_code } = await startDevice(url, other, { scope: 'openid email' });
  const agent = createUserAgent(url);
  const signIn = await answerDevice(agent, user_code, 'confirm');
  const consent = await agent.submit(signIn, '/sign-in', credentials);
  assert.match(headingOf(consent), /^Let Lotus Television use your/);
  const end = await agent.submit(consent, '/consent', { decision: 'allow' });
  assert.equal(headingOf(end), 'Your device is connected');
  const { body } = await pollDevice(url, other, device_code);
  assert.equal(decodeJwt(String(body.access_token)).tid, people.tenantId);
});

test('whoever is signed in is not asked for the password, but still for the device', async () => {
  const { device_code, user_code } = await startDevice(url, client);
  const { agent } = await signInForTokens(world);
  const confirm = await enterCode(agent, user_code);
  assert.match(headingOf(confirm), /another device/);
  const end = await agent.submit(confirm, '/device', { confirm: 'yes' });
  assert.equal(headingOf(end), 'Your device is connected');
  assert.equal((await pollDevice(url, client, device_code)).status, 200);
});

test('signing out in the browser does not sign the device out', async () => {
  const { device_code, user_code } = await startDevice(url, client);
  const agent = await letIn(user_code);
  const { body } = await pollDevice(url, client, device_code);
  const logout = await agent.follow('/logout');
  await agent.submit(logout, '/logout/confirm', { logout: 'yes' });
  const refreshed = await refresh(url, client, String(body.refresh_token));
  assert.equal(refreshed.status, 200, JSON.stringify(refreshed.body));
});

test('a device cannot get more scope than its client is registered for (CVE-2024-52287)', async () => {
  const narrow = await seedDeviceClient(world, { metadata: { scope: 'openid' } });
  const asked = await postForm(
    `${url}/device_authorization`,
    { scope: 'openid email tenant:users:write' },
    basic(narrow),
  );
  assert.equal(asked.body.error, 'invalid_scope');
  const { device_code, user_code } = await startDevice(url, narrow, { scope: 'openid' });
  await letIn(user_code);
  const { body } = await postForm(
    `${url}/token`,
    { grant_type: DEVICE_GRANT, device_code, scope: 'openid email tenant:users:write' },
    basic(narrow),
  );
  assert.equal(body.scope, 'openid');
});

test('what is wrong with a request is said by its code (RFC 8628 3.1, RFC 6749 5.2)', async () => {
  const start = (form: Record<string, string>, headers: Record<string, string>) =>
    postForm(`${url}/device_authorization`, form, headers);
  const wrong = { ...client, clientSecret: 'not the secret' };
  const unauthenticated = await start({ scope: 'openid' }, basic(wrong));
  assert.equal(unauthenticated.status, 401);
  assert.equal(unauthenticated.body.error, 'invalid_client');
  const notAllowed = await start({ scope: 'openid' }, basic(world.client));
  assert.equal(notAllowed.body.error, 'invalid_request');

  const { device_code } = await startDevice(url, client);
  const stranger = await seedDeviceClient(world);
  assert.equal((await pollDevice(url, stranger, device_code)).body.error, 'invalid_grant');
  assert.equal((await pollDevice(url, client, 'nothing')).body.error, 'invalid_grant');
  assert.equal((await pollDevice(url, client, '')).body.error, 'invalid_request');
  const response = await pollDevice(url, world.client, device_code);
  assert.equal(response.status, 400);
  assert.match(String(response.body.error_description), /grant type is not allowed/);
});

test('an expired code answers expired_token, and its page says so (RFC 8628 3.5)', async (t) => {
  const { device_code, user_code } = await startDevice(url, client);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 601_000 });
  assert.equal((await pollDevice(url, client, device_code)).body.error, 'expired_token');
  const page = await enterCode(createUserAgent(url), user_code);
  assert.equal(page.response.status, 400);
  assert.match(page.html, /This code has expired/);
});

test('the service writes neither code to its log', async () => {
  const { device_code, user_code } = await startDevice(url, client);
  await enterCode(createUserAgent(url), user_code);
  const text = JSON.stringify(world.logs);
  assert.ok(!text.includes(device_code) && !text.includes(user_code));
});
