import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import type { UserAgent } from '../helpers/user-agent.ts';
import { authorize, complete, seedRelyingParty } from './conformance-support.ts';
import { createWorld, getJson, randomText } from './support.ts';

/** The modules of the RP-initiated logout plan, as docs/conformance.md lists them. */
const world = await createWorld();
const { url } = world;
const HOME = 'https://rp.example/signed-out';
const client = await seedRelyingParty(world, { post_logout_redirect_uris: [HOME] });

async function isSignedIn(agent: UserAgent): Promise<boolean> {
  const { answer } = await authorize(world, client, { prompt: 'none' }, { agent });
  if (answer.get('code')) return true;
  assert.equal(answer.get('error'), 'login_required');
  return false;
}

interface LogoutOptions {
  parameters: Record<string, string>;
  byPost?: boolean;
}

/** Signs out by the request and says yes where that is asked; where the browser ends. */
async function logOut(agent: UserAgent, { parameters, byPost = false }: LogoutOptions) {
  const query = new URLSearchParams(parameters);
  const page = byPost
    ? await agent.follow('/logout', { method: 'POST', body: query })
    : await agent.follow(`/logout?${query}`);
  if (page.response.status !== 200 || !page.html.includes('/logout/confirm"')) return page;
  return agent.submit(page, '/logout/confirm', { logout: 'yes' });
}

async function signIn() {
  const { agent, tokens } = await complete(world, client);
  return { agent, id_token_hint: String(tokens.id_token) };
}

test('the logout endpoint is advertised (RP-Initiated Logout 2.1)', async () => {
  const { body } = await getJson(`${url}/.well-known/openid-configuration`);
  assert.equal(body.end_session_endpoint, `${url}/logout`);
});

for (const byPost of [false, true]) {
  test(`a logout ${byPost ? 'by POST' : 'by GET'} ends the session and returns with a long state unharmed (RP-Initiated Logout 2)`, async () => {
    const { agent, id_token_hint } = await signIn();
    const state = randomText(96);
    const parameters = { id_token_hint, post_logout_redirect_uri: HOME, state };
    const end = await logOut(agent, { parameters, byPost });
    assert.equal(end.url.href, `${HOME}?state=${state}`);
    assert.equal(await isSignedIn(agent), false);
  });
}

test('a logout without state returns without one (RP-Initiated Logout 3)', async () => {
  const { agent, id_token_hint } = await signIn();
  const end = await logOut(agent, {
    parameters: { id_token_hint, post_logout_redirect_uri: HOME },
  });
  assert.equal(end.url.href, HOME);
  assert.equal(await isSignedIn(agent), false);
});

test('a logout with nothing, or with no address to return to, ends the session on a page of ours (RP-Initiated Logout 2)', async () => {
  for (const withHint of [false, true]) {
    for (const withState of [false, true]) {
      const { agent, id_token_hint } = await signIn();
      const end = await logOut(agent, {
        parameters: {
          ...(withHint ? { id_token_hint } : {}),
          ...(withState ? { state: 's' } : {}),
        },
      });
      assert.equal(end.response.status, 200);
      assert.equal(end.url.origin, url);
      assert.equal(await isSignedIn(agent), false);
    }
  }
});

test('an address to return to that is not registered, or has a query added, is not followed (RP-Initiated Logout 3)', async () => {
  for (const post_logout_redirect_uri of ['https://rp.example/elsewhere', `${HOME}?foo=bar`]) {
    const { agent, id_token_hint } = await signIn();
    const end = await logOut(agent, { parameters: { id_token_hint, post_logout_redirect_uri } });
    assert.equal(end.url.origin, url);
    assert.equal(end.response.status, 400);
  }
});

test('an address to return to that nobody is named for is not followed (RP-Initiated Logout 3)', async () => {
  const { agent } = await signIn();
  const end = await logOut(agent, { parameters: { post_logout_redirect_uri: HOME } });
  assert.equal(end.url.origin, url);
});

test('a hint that is unsigned or signed by somebody else is refused and leads nowhere (RP-Initiated Logout 4)', async () => {
  const { agent, id_token_hint } = await signIn();
  const { privateKey } = await generateKeyPair('RS256');
  const payload = JSON.parse(atob(id_token_hint.split('.')[1] ?? ''));
  const hints = [
    new UnsecuredJWT(payload).encode(),
    await new SignJWT(payload).setProtectedHeader({ alg: 'RS256' }).sign(privateKey),
  ];
  for (const hint of hints) {
    const parameters = { id_token_hint: hint, post_logout_redirect_uri: HOME };
    const end = await logOut(agent, { parameters });
    assert.equal(end.url.origin, url);
    assert.equal(end.response.status, 400);
  }
  assert.equal(await isSignedIn(agent), true);
});
