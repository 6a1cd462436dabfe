import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { createUserAgent, type UserAgent } from '../helpers/user-agent.ts';
import { addUser, basic, createWorld, postForm, signInForTokens } from './support.ts';

const world = await createWorld();
const { url, people, client } = world;
const credentials = { identifier: people.user.email, password: people.user.password };
const { agent: signedIn, idToken } = await signInForTokens(world);

const ask = (agent: UserAgent, changes: Record<string, string>) => {
  const query = new URLSearchParams({
    client_id: client.clientId,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: 'openid',
    state: 'the state',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    ...changes,
  });
  return agent.follow(`${url}/authorize?${query}`);
};

const errorOf = async (agent: UserAgent, changes: Record<string, string>) =>
  (await ask(agent, changes)).url.searchParams.get('error');

const isPage = (end: { url: URL }): boolean => end.url.href.startsWith(`${url}/interaction/`);

/** The ID token of a redirect with a code. */
async function idTokenOf(end: { url: URL }) {
  const { body } = await postForm(
    `${url}/token`,
    {
      grant_type: 'authorization_code',
      code: end.url.searchParams.get('code') ?? '',
      redirect_uri: client.redirectUri,
      code_verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
    },
    basic(client),
  );
  return decodeJwt(String(body.id_token));
}

test('prompt=none answers at once: a code with a session, an error without (Core 3.1.2.6)', async () => {
  assert.ok((await ask(signedIn, { prompt: 'none' })).url.searchParams.get('code'));
  const stranger = createUserAgent(url);
  assert.equal(await errorOf(stranger, { prompt: 'none' }), 'login_required');
  assert.equal(await errorOf(signedIn, { prompt: 'none consent' }), 'invalid_request');
});

test('prompt=login asks again, and the new sign-in is told by auth_time (Core 3.1.2.1)', async () => {
  const { agent } = await signInForTokens(world);
  const page = await ask(agent, { prompt: 'login' });
  assert.ok(isPage(page));
  // Who it was before need not be typed again, unless another hint was given.
  assert.match(page.html, new RegExp(`value="${people.user.email}"`));
  const hinted = await ask(agent, { prompt: 'login', login_hint: 'chi@lotus.example' });
  assert.ok(!hinted.html.includes(people.user.email));
  const claims = await idTokenOf(await agent.submit(page, '/sign-in', credentials));
  assert.equal(claims.sub, people.user.id);
  assert.ok(Number.isInteger(claims.auth_time));
});

test('prompt=consent asks even a client that was allowed before (Core 3.1.2.1)', async () => {
  const page = await ask(signedIn, { prompt: 'consent' });
  assert.ok(isPage(page));
  const end = await signedIn.submit(page, '/consent', { decision: 'allow' });
  assert.ok(end.url.searchParams.get('code'));
});

test('prompt=select_account lets another person sign in (Core 3.1.2.1)', async () => {
  const other = await addUser(world, 'binh');
  const { agent } = await signInForTokens(world);
  const chooser = await ask(agent, { prompt: 'select_account' });
  assert.ok(isPage(chooser));
  const page = await agent.submit(chooser, '/accounts/another', {});
  const end = await agent.submit(page, '/sign-in', other);
  assert.equal((await idTokenOf(end)).sub, other.id);
  const silent = { prompt: 'none select_account' };
  assert.equal(await errorOf(agent, silent), 'invalid_request');
});

test('an unknown prompt is refused (Core 3.1.2.6)', async () => {
  assert.equal(await errorOf(signedIn, { prompt: 'dance' }), 'invalid_request');
});

test('max_age asks for a sign-in when the last is older, and auth_time says so (Core 3.1.2.1)', async (t) => {
  const { agent } = await signInForTokens(world);
  assert.ok((await ask(agent, { max_age: '60' })).url.searchParams.get('code'));
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 120_000 });
  const page = await ask(agent, { max_age: '60' });
  assert.ok(isPage(page));
  assert.equal(await errorOf(agent, { max_age: '60', prompt: 'none' }), 'login_required');
  for (const max_age of ['-1', 'x', '1.5']) {
    assert.equal(await errorOf(agent, { max_age }), 'invalid_request', max_age);
  }
});

test('id_token_hint: whoever it is of goes on, anybody else is asked (Core 3.1.2.1)', async () => {
  const hint = { id_token_hint: idToken, prompt: 'none' };
  assert.ok((await ask(signedIn, hint)).url.searchParams.get('code'));
  const other = await addUser(world, 'chi');
  const { agent } = await signInForTokens(world, { credentials: other });
  assert.equal(await errorOf(agent, hint), 'login_required');
  assert.equal(await errorOf(agent, { ...hint, id_token_hint: `${idToken}x` }), 'invalid_request');
});

test('login_hint, ui_locales, claims_locales and display change what is shown, never who is let in (Core 3.1.2.1)', async () => {
  const agent = createUserAgent(url);
  const hints = {
    login_hint: 'chi"<b>',
    ui_locales: 'vi',
    claims_locales: 'vi en',
    display: 'page',
  };
  const page = await ask(agent, hints);
  assert.match(page.html, /<html lang="vi"/);
  assert.ok(page.html.includes('value="chi&quot;&lt;b&gt;"'));
  const end = await agent.submit(page, '/sign-in', credentials);
  assert.equal((await idTokenOf(end)).sub, people.user.id);
});

test('acr_values: the class that was reached is told; one that cannot be is refused (Core 3.1.2.1, RFC 9470 5)', async () => {
  const reached = 'urn:gatehouse:acr:1fa';
  const end = await ask(signedIn, { acr_values: reached });
  assert.equal((await idTokenOf(end)).acr, reached);
  // A class that nobody here knows is a wish (Core 3.1.2.1); one of ours is needed.
  assert.ok((await ask(signedIn, { acr_values: '0' })).url.searchParams.get('code'));
  const claims = JSON.stringify({ id_token: { acr: { essential: true, value: '0' } } });
  assert.equal(await errorOf(signedIn, { claims }), 'unmet_authentication_requirements');
  const strong = { acr_values: 'urn:gatehouse:acr:phr', prompt: 'none' };
  assert.equal(await errorOf(signedIn, strong), 'login_required');
});
