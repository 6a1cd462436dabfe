import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calculatePKCECodeChallenge, randomPKCECodeVerifier } from 'openid-client';
import { createUserAgent } from '../helpers/user-agent.ts';
import {
  authorize,
  complete,
  redeem,
  requestOf,
  seedRelyingParty,
  verifyIdToken,
} from './conformance-support.ts';
import { basic, bearer, createWorld, getJson, postForm, refresh } from './support.ts';

/** The modules of the basic and the form post plan, as docs/conformance.md lists them. */
const world = await createWorld();
const { url, people } = world;
const client = await seedRelyingParty(world);
const posting = await seedRelyingParty(world, { token_endpoint_auth_method: 'client_secret_post' });

for (const response_mode of [undefined, 'form_post']) {
  const by = response_mode ?? 'query';
  const mode = { response_mode };

  test(`${by}: a code without PKCE is exchanged for an ID token of the same nonce (OpenID Connect Core 3.1)`, async () => {
    const { tokens, idToken } = await complete(world, client, mode);
    assert.equal(tokens.token_type, 'Bearer');
    assert.equal(idToken.payload.sub, people.user.id);
    assert.ok(Number(tokens.expires_in) > 0);
  });

  test(`${by}: an ID token is signed with RS256 by a key that its kid names (OpenID Connect Core 2)`, async () => {
    const { idToken } = await complete(world, client, mode);
    assert.equal(idToken.alg, 'RS256');
    const { body } = await getJson(`${url}/.well-known/jwks.json`);
    const kids = (body.keys as { kid: string }[]).map(({ kid }) => kid);
    assert.ok(kids.includes(idToken.kid ?? ''));
  });

  test(`${by}: without a nonce the code flow succeeds and the ID token has none (OpenID Connect Core 3.1.2.1)`, async () => {
    const { idToken } = await complete(world, client, { ...mode, nonce: undefined });
    assert.equal(idToken.payload.nonce, undefined);
  });

  test(`${by}: order of scopes and parameters, display, locales, hints and unknown parameters do no harm (OpenID Connect Core 15.1)`, async () => {
    for (const parameters of [
      { scope: 'email profile openid', extra: 'foobar' },
      { display: 'page' },
      { display: 'popup' },
      { ui_locales: 'se' },
      { claims_locales: 'se' },
      { login_hint: `buffy@${new URL(url).hostname}` },
      { acr_values: '1 2' },
      { acr_values: 'urn:gatehouse:acr:1fa' },
    ]) {
      await complete(world, client, { ...mode, ...parameters });
    }
  });

  test(`${by}: the authentication context that was asked for and reached is in the ID token (OpenID Connect Core 5.5.1.1)`, async () => {
    const { idToken } = await complete(world, client, {
      ...mode,
      acr_values: 'urn:gatehouse:acr:1fa',
    });
    assert.equal(idToken.payload.acr, 'urn:gatehouse:acr:1fa');
  });

  test(`${by}: prompt=login asks again and the second sign-in is a newer one (OpenID Connect Core 3.1.2.1)`, async () => {
    const first = await complete(world, client, { ...mode, max_age: '15000' });
    const second = await complete(world, client, { ...mode, prompt: 'login' }, first);
    assert.equal(second.wasAsked, true);
    assert.ok(Number(second.idToken.payload.auth_time) >= Number(first.idToken.payload.auth_time));
    assert.equal(second.idToken.payload.sub, first.idToken.payload.sub);
  });

  test(`${by}: prompt=none without a session is login_required (OpenID Connect Core 3.1.2.6)`, async () => {
    const { answer } = await authorize(world, client, { ...mode, prompt: 'none' });
    assert.equal(answer.get('error'), 'login_required');
    assert.equal(answer.get('code'), null);
  });

  test(`${by}: prompt=none in a session answers unseen, of the same sign-in (OpenID Connect Core 3.1.2.1)`, async () => {
    const first = await complete(world, client, mode);
    const second = await complete(world, client, { ...mode, prompt: 'none' }, first);
    assert.equal(second.wasAsked, false);
    for (const claim of ['sub', 'auth_time']) {
      assert.equal(second.idToken.payload[claim], first.idToken.payload[claim]);
    }
  });

  test(`${by}: id_token_hint of the person who is signed in answers unseen (OpenID Connect Core 3.1.2.1)`, async () => {
    const first = await complete(world, client, mode);
    const id_token_hint = String(first.tokens.id_token);
    const second = await complete(world, client, { ...mode, prompt: 'none', id_token_hint }, first);
    assert.equal(second.idToken.payload.sub, first.idToken.payload.sub);
  });

  test(`${by}: max_age asks again once the sign-in is older, with a new auth_time (OpenID Connect Core 3.1.2.1)`, async () => {
    const first = await complete(world, client, { ...mode, max_age: '15000' });
    const { agent } = first;
    const still = await complete(world, client, { ...mode, max_age: '10000' }, { agent });
    assert.equal(still.wasAsked, false);
    assert.equal(still.idToken.payload.auth_time, first.idToken.payload.auth_time);

    const deadline = performance.now() + 20_000;
    const silent = { ...mode, max_age: '1', prompt: 'none' };
    for (;;) {
      const { answer } = await authorize(world, client, silent, { agent });
      if (answer.get('error') === 'login_required') break;
      assert.ok(performance.now() < deadline, 'the sign-in never grew older than a second');
    }
    const again = await complete(world, client, { ...mode, max_age: '1' }, { agent });
    assert.equal(again.wasAsked, true);
    assert.ok(Number(again.idToken.payload.auth_time) > Number(first.idToken.payload.auth_time));
  });

  test(`${by}: a request by POST is answered like one by GET (OpenID Connect Core 3.1.2.1)`, async () => {
    const { agent } = await complete(world, client, mode, { byPost: true });
    const second = await complete(
      world,
      client,
      { ...mode, prompt: 'none' },
      { agent, byPost: true },
    );
    assert.equal(second.wasAsked, false);
  });

  test(`${by}: a request with PKCE is honoured although it is not required (RFC 7636 4.6)`, async () => {
    const code_verifier = randomPKCECodeVerifier();
    const code_challenge = await calculatePKCECodeChallenge(code_verifier);
    const challenge = { code_challenge, code_challenge_method: 'S256' };
    await complete(world, client, { ...mode, ...challenge }, { more: { code_verifier } });
    const { answer } = await authorize(world, client, { ...mode, ...challenge });
    const { body } = await redeem(world, client, answer.get('code') ?? '');
    assert.equal(body.error, 'invalid_grant');
  });

  test(`${by}: a code is of no use a second time, and its token dies (RFC 6749 4.1.2)`, async () => {
    const { code, tokens } = await complete(world, client, mode);
    const userinfo = () => getJson(`${url}/userinfo`, bearer(String(tokens.access_token)));
    assert.equal((await userinfo()).status, 200);
    const { status, body } = await redeem(world, client, code);
    assert.deepEqual([status, body.error], [400, 'invalid_grant']);
    assert.equal((await userinfo()).status, 401);
  });

  test(`${by}: client_secret_post works for a client that registered it (OpenID Connect Core 9)`, async () => {
    const { answer } = await authorize(world, posting, mode);
    const secret = { client_id: posting.clientId, client_secret: posting.clientSecret };
    const { status, body } = await redeem(world, posting, answer.get('code') ?? '', secret, {});
    assert.equal(status, 200);
    await verifyIdToken(world, posting, body.id_token);
  });

  test(`${by}: a refresh token works, is bound to its client, and keeps iss, sub and auth_time (OpenID Connect Core 12.2)`, async () => {
    const scope = 'openid offline_access';
    const { tokens, idToken } = await complete(world, client, { ...mode, scope });
    const token = String(tokens.refresh_token);
    const { body: foreign } = await postForm(
      `${url}/token`,
      { grant_type: 'refresh_token', refresh_token: token },
      basic(world.client),
    );
    assert.equal(foreign.error, 'invalid_grant');
    const { status, body } = await refresh(url, client, token);
    assert.equal(status, 200);
    const { payload } = await verifyIdToken(world, client, body.id_token);
    for (const claim of ['iss', 'sub', 'aud', 'auth_time']) {
      assert.deepEqual(payload[claim], idToken.payload[claim], claim);
    }
  });
}

test('a request without response_type is refused (RFC 6749 3.1.1)', async () => {
  const agent = createUserAgent(url);
  const query = requestOf(client, { response_type: undefined });
  const { url: target } = await agent.follow(`/authorize?${query}`);
  assert.equal(target.searchParams.get('error'), 'invalid_request');
});

test('an unregistered redirect URI is shown to the person, never followed (OpenID Connect Core 3.1.2.1)', async () => {
  const agent = createUserAgent(url);
  const query = requestOf(client, { redirect_uri: 'https://rp.example/callback/other' });
  const page = await agent.follow(`/authorize?${query}`);
  assert.equal(page.response.status, 400);
  assert.equal(page.url.origin, url);
  assert.match(page.html, /redirect_uri/);
});

test('userinfo answers GET, POST with the token in the header, and POST with it in the body (OpenID Connect Core 5.3.1)', async () => {
  const { tokens } = await complete(world, client, { scope: 'openid profile email phone' });
  const token = String(tokens.access_token);
  const answers = await Promise.all([
    getJson(`${url}/userinfo`, bearer(token)),
    postForm(`${url}/userinfo`, {}, bearer(token)),
    postForm(`${url}/userinfo`, { access_token: token }),
  ]);
  for (const { status, body } of answers) {
    assert.equal(status, 200);
    assert.equal(body.sub, people.user.id);
    assert.deepEqual(body, answers[0]?.body);
  }
});

test('each scope gives its claims at userinfo and no others (OpenID Connect Core 5.4)', async () => {
  const claimsOf: Record<string, string[]> = {
    openid: ['sub'],
    'openid profile': ['name', 'preferred_username', 'sub', 'updated_at'],
    'openid email': ['email', 'email_verified', 'sub'],
    'openid phone': ['sub'],
  };
  for (const [scope, claims] of Object.entries(claimsOf)) {
    const { tokens } = await complete(world, client, { scope });
    const { body } = await getJson(`${url}/userinfo`, bearer(String(tokens.access_token)));
    for (const claim of claims) assert.ok(claim in body, `${scope}: ${claim}`);
    assert.equal('email' in body, claims.includes('email'), scope);
    assert.equal('name' in body, claims.includes('name'), scope);
  }
});

test('a scope that nobody knows is left out, and the rest is given (OpenID Connect Core 3.1.2.1)', async () => {
  const { tokens } = await complete(world, client, { scope: 'openid email address nobody:knows' });
  assert.deepEqual(String(tokens.scope).split(' ').sort(), ['email', 'openid']);
});

test('an essential claim is given at userinfo (OpenID Connect Core 5.5)', async () => {
  const claims = JSON.stringify({ userinfo: { name: { essential: true } } });
  const { tokens } = await complete(world, client, { claims });
  const { body } = await getJson(`${url}/userinfo`, bearer(String(tokens.access_token)));
  assert.equal(body.name, 'Nguyễn Thị An');
});
