import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorizationRequest, discover, exchange } from '../helpers/openid.ts';
import { createUserAgent, type UserAgent } from '../helpers/user-agent.ts';
import {
  becomesTrue,
  createWorld,
  eventsOf,
  isDeadEverywhere,
  refresh,
  type SignedIn,
  signInForTokens,
  startTwin,
} from './support.ts';

const world = await createWorld();
const twin = await startTwin(world);
const { url, client, deps } = world;
const HOME = 'http://localhost:4999/';

function logoutUrl(parameters: Record<string, string>): URL {
  const target = new URL(`${url}/logout`);
  for (const [name, value] of Object.entries(parameters)) target.searchParams.set(name, value);
  return target;
}

const forClient = ({ idToken }: SignedIn) =>
  logoutUrl({ id_token_hint: idToken, post_logout_redirect_uri: HOME, state: 'bye' });

const logOut = async (agent: UserAgent, target: URL) => {
  const page = await agent.follow(target);
  return agent.submit(page, '/logout/confirm', { logout: 'yes' });
};

async function isSignedIn(agent: UserAgent): Promise<boolean> {
  const configuration = await discover(url, client);
  const request = await authorizationRequest(configuration, client.redirectUri, { prompt: 'none' });
  const { url: end } = await agent.follow(request.url);
  return end.searchParams.has('code');
}

test('RP-initiated logout asks, ends the session and returns to the client (RP-Initiated Logout 2)', async () => {
  const signedIn = await signInForTokens(world);
  assert.ok(await isSignedIn(signedIn.agent));
  const end = await logOut(signedIn.agent, forClient(signedIn));
  assert.equal(end.url.href, `${HOME}?state=bye`);
  assert.ok(!(await isSignedIn(signedIn.agent)));
});

test('after a logout the tokens of the session are dead, in a second process too (ASVS 7.4.1)', async () => {
  const signedIn = await signInForTokens(world);
  await logOut(signedIn.agent, forClient(signedIn));
  assert.ok(await isDeadEverywhere(url, client, signedIn.accessToken));
  const isDeadThere = () => isDeadEverywhere(twin.url, client, signedIn.accessToken);
  assert.ok(await becomesTrue(isDeadThere));
  const refreshed = await refresh(url, client, signedIn.refreshToken);
  assert.equal(refreshed.body.error, 'invalid_grant');
});

test('a stolen cookie is of no use after the logout: it ends on the server', async () => {
  const signedIn = await signInForTokens(world);
  const stolen = [...signedIn.agent.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  await logOut(signedIn.agent, forClient(signedIn));
  const thief = createUserAgent(url, { cookie: stolen });
  assert.ok(!(await isSignedIn(thief)));
});

test('a logout tells the outbox: session revoked, user logged out', async () => {
  const before = (await eventsOf(deps)).length;
  const signedIn = await signInForTokens(world);
  await logOut(signedIn.agent, forClient(signedIn));
  const events = (await eventsOf(deps)).slice(before);
  const revoked = events.find(({ type }) => type === 'identity.session.revoked.v1');
  assert.equal(revoked?.data.reason, 'logout');
  assert.ok(events.some(({ type }) => type === 'identity.user.logged_out.v1'));
});

test('whoever says no stays signed in', async () => {
  const signedIn = await signInForTokens(world);
  const page = await signedIn.agent.follow(forClient(signedIn));
  await signedIn.agent.submit(page, '/logout/confirm', {});
  assert.ok(await isSignedIn(signedIn.agent));
});

test('nobody is logged out without a form of our own (ASVS 10.6.2, CSRF)', async () => {
  const signedIn = await signInForTokens(world);
  for (const xsrf of [undefined, '', 'wrong']) {
    const { status } = await signedIn.agent.fetch(`${url}/logout/confirm`, {
      method: 'POST',
      body: new URLSearchParams({ logout: 'yes', ...(xsrf === undefined ? {} : { xsrf }) }),
    });
    assert.equal(status, 400);
  }
  assert.ok(await isSignedIn(signedIn.agent));
});

test('a post-logout redirect goes to registered addresses only (RFC 9700 4.1)', async () => {
  const { agent, idToken } = await signInForTokens(world);
  for (const target of [
    'https://evil.example/',
    `${HOME}x`,
    'http://localhost:4999.evil.example/',
    'http://localhost:4999@evil.example/',
    'javascript:alert(1)',
    '//evil.example',
  ]) {
    const { response } = await agent.follow(
      logoutUrl({ id_token_hint: idToken, post_logout_redirect_uri: target }),
    );
    assert.equal(response.status, 400, target);
    assert.equal(response.headers.get('location'), null);
  }
});

test('a forged id_token_hint is refused', async () => {
  const { agent, idToken } = await signInForTokens(world);
  const [header, payload] = idToken.split('.');
  for (const hint of ['x', `${header}.${payload}.`, `${idToken.slice(0, -6)}AAAAAA`]) {
    const target = logoutUrl({ id_token_hint: hint, post_logout_redirect_uri: HOME });
    const { response } = await agent.follow(target);
    assert.equal(response.status, 400, hint.slice(0, 8));
  }
});

test('a logout without a client ends on a page of our own', async () => {
  const { agent } = await signInForTokens(world);
  const end = await logOut(agent, logoutUrl({}));
  assert.equal(end.response.status, 200);
  assert.equal(end.url.origin, url);
  assert.ok(!(await isSignedIn(agent)));
});

test('tokens that were to outlive the browser session do (offline_access)', async () => {
  const configuration = await discover(url, client);
  const request = await authorizationRequest(configuration, client.redirectUri, {
    scope: 'openid offline_access',
    prompt: 'consent',
  });
  const agent = createUserAgent(url);
  const { email, password } = world.people.user;
  const page = await agent.follow(request.url);
  const consent = await agent.submit(page, '/sign-in', { identifier: email, password });
  const { url: redirect } = await agent.submit(consent, '/consent', { decision: 'allow' });
  const tokens = await exchange(configuration, request, redirect);
  assert.match(tokens.scope ?? '', /offline_access/);
  await logOut(agent, logoutUrl({ id_token_hint: tokens.id_token ?? '' }));
  assert.ok(!(await isSignedIn(agent)));
  assert.equal((await refresh(url, client, tokens.refresh_token ?? '')).status, 200);
});
