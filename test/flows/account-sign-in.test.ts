import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUserAgent, findForm } from '../helpers/user-agent.ts';
import {
  askWith,
  enterAccount,
  isSentToSignIn,
  ownerOf,
  signInUpToReturn,
} from './account-support.ts';
import { CHEAP_HASHES } from './auth-support.ts';
import { addUser, createWorld } from './support.ts';

const world = await createWorld({ settings: CHEAP_HASHES });
const { deps, url } = world;
const { tenantId } = world.people;
const owner = ownerOf(world);

test('a person signs in by code, PKCE, state and nonce (RFC 9700 2.1.1) and comes back to the page asked for', async () => {
  const agent = createUserAgent(url);
  const begun = await agent.fetch('/account?tab=1');
  assert.equal(begun.status, 303);
  assert.equal(begun.headers.get('cache-control'), 'no-store');
  const request = new URL(begun.headers.get('location') ?? '', url);
  assert.equal(request.pathname, '/authorize');
  const { state = '', nonce = '', ...rest } = Object.fromEntries(request.searchParams);
  assert.match(`${state} ${nonce}`, /^[\w-]{22} [\w-]{22}$/);
  assert.match(rest.code_challenge ?? '', /^[\w-]{43}$/);
  assert.deepEqual(
    { ...rest, code_challenge: '' },
    {
      client_id: 'gatehouse-account',
      redirect_uri: `${url}/account/return`,
      response_type: 'code',
      scope: 'openid',
      code_challenge: '',
      code_challenge_method: 'S256',
    },
  );
  const end = await agent.submit(await agent.follow(request), '/sign-in', owner);
  assert.equal(end.response.status, 200);
  assert.equal(end.url.pathname + end.url.search, '/account?tab=1');
  assert.match(end.html, /Nguyễn Thị An/);
  assert.match(end.html, /<a href="\/account" aria-current="page">/);
});

test('its cookie is for HTTP only, of this site, and tells nothing (ASVS 3.3.1, 3.3.2, 3.3.4)', async () => {
  const agent = createUserAgent(url);
  const response = await agent.fetch(await signInUpToReturn(agent, owner));
  assert.equal(response.headers.get('location'), '/account');
  const line = response.headers.getSetCookie().find((one) => one.startsWith('gh_account='));
  assert.match(line ?? '', /; path=\/; samesite=lax; httponly$/);
  const value = agent.cookies.get('gh_account') ?? '';
  assert.doesNotMatch(Buffer.from(value, 'base64url').toString('latin1'), /[0-9a-f]{8}-/);
});

test('forged, garbled, doubled and foreign cookies are nobody (CVE-2026-25748)', async () => {
  const { agent } = await enterAccount(world);
  const good = agent.cookies.get('gh_account') ?? '';
  const session = agent.cookies.get('gh_session') ?? '';
  const changed = `${good.slice(0, 40)}${good[40] === 'A' ? 'B' : 'A'}${good.slice(41)}`;
  const plain = Buffer.from(
    JSON.stringify({ sessionId: tenantId, userId: world.people.user.id }),
  ).toString('base64url');
  const sealedElsewhere = deps.sealer.seal(
    JSON.stringify({ sessionId: tenantId, userId: world.people.user.id }),
    'gh_account_notice',
  );
  assert.equal((await askWith(url, `gh_account=${good}`)).status, 200);
  for (const cookie of [
    '',
    'gh_account=',
    'gh_account=x',
    `gh_account=${plain}`,
    `gh_account=${changed}`,
    `gh_account=${good.slice(0, -1)}`,
    `gh_account=${good.repeat(40)}`,
    `gh_account=${good}; gh_account=${good}`,
    `gh_account=${good}; gh_account=x`,
    `gh_account=x; gh_account=${good}`,
    `gh_account=${good};gh_account =${good}`,
    `gh_account=${session}`,
    `gh_account_flows=${good}`,
    `__Host-gh_account=${good}`,
    `gh_account=${sealedElsewhere.toString('base64url')}`,
    `gh_session=${session}`,
  ]) {
    assert.ok(isSentToSignIn(await askWith(url, cookie)), cookie);
  }
});

test('a sealed cookie of a session that is another person’s, or none, is nobody', async () => {
  const { agent } = await enterAccount(world);
  const other = await addUser(world, 'else');
  const [session] = await deps.sessions.list(tenantId, world.people.user.id);
  assert.ok(agent && session);
  for (const said of [
    { sessionId: session.id, userId: other.id },
    { sessionId: other.id, userId: world.people.user.id },
    { sessionId: 'x', userId: world.people.user.id },
    {},
    null,
  ]) {
    const value = deps.sealer.seal(JSON.stringify(said), 'gh_account').toString('base64url');
    assert.ok(isSentToSignIn(await askWith(url, `gh_account=${value}`)), JSON.stringify(said));
  }
});

test('a code counts only in the browser that asked for it, once (RFC 9700 4.7: login CSRF)', async () => {
  const attacker = createUserAgent(url);
  const address = await signInUpToReturn(attacker, owner);
  const victim = createUserAgent(url);
  // Nothing under way, then another sign-in under way.
  for (const prepare of [() => undefined, () => victim.fetch('/account')]) {
    await prepare();
    const { response, html } = await victim.follow(address);
    assert.equal(response.status, 400);
    assert.match(html, /<a [^>]*href="\/account"/);
    assert.ok(!victim.cookies.has('gh_account'));
  }
  const done = await attacker.follow(address);
  assert.equal(done.response.status, 200);
  const again = await attacker.follow(address);
  assert.equal(again.url.pathname, '/account', 'who is signed in sees the page');
  assert.equal(again.response.status, 200);
});

test('an answer of another issuer, with another code, or with anything twice is none (RFC 9207 2.4)', async () => {
  for (const spoil of [
    (address: URL) => address.searchParams.set('iss', 'https://evil.example'),
    (address: URL) => address.searchParams.delete('iss'),
    (address: URL) => address.searchParams.set('code', 'x'.repeat(43)),
    (address: URL) => address.searchParams.delete('code'),
    (address: URL) => address.searchParams.append('code', 'x'),
    (address: URL) => address.searchParams.append('state', address.searchParams.get('state') ?? ''),
    (address: URL) => address.searchParams.set('state', 'x'),
  ]) {
    const agent = createUserAgent(url);
    const address = await signInUpToReturn(agent, owner);
    spoil(address);
    const response = await agent.fetch(address);
    assert.equal(response.status, 400, address.search);
    assert.ok(!agent.cookies.has('gh_account'));
  }
});

test('where a sign-in comes back to is a page of the account page and nothing else', async () => {
  for (const path of [
    '//evil.example/account',
    '/account/..%2f..%2fevil.example',
    '/account//evil.example',
    '/account/%2f/evil.example',
    '/account@evil.example',
    '/accounts',
    '/account/nothing',
  ]) {
    const response = await askWith(url, '', path).catch(() => undefined);
    if (response) assert.ok([400, 404].includes(response.status), `${path} ${response.status}`);
  }
  for (const query of [
    '?returnTo=https://evil.example',
    `?return_to=//evil.example&x=${'x'.repeat(600)}`,
    '?next=%0d%0aLocation:%20https://evil.example',
  ]) {
    const agent = createUserAgent(url);
    const response = await agent.fetch(await signInUpToReturn(agent, owner, `/account${query}`));
    const location = response.headers.get('location') ?? '';
    assert.match(location, /^\/account(\?|$)/);
    assert.equal(new URL(location, url).origin, url);
  }
});

test('a session that ends anywhere is over on the account page with the next request', async () => {
  const { agent } = await enterAccount(world);
  const others = await deps.sessions.list(tenantId, world.people.user.id);
  assert.ok(others.length > 0);
  assert.equal((await agent.fetch('/account')).status, 200);
  await deps.sessions.endAllOf(world.people.user.id, { reason: 'logout_all' });
  assert.ok(isSentToSignIn(await agent.fetch('/account')));
  const next = await agent.follow('/account');
  assert.match(next.url.pathname, /^\/interaction\//, 'and a sign-in is asked for');
});

test('whoever is suspended is out at once, and cannot come back', async () => {
  const person = await addUser(world, 'suspended');
  const { agent, page } = await enterAccount(world, '/account', person);
  assert.equal(page.response.status, 200);
  await deps.lifecycle.suspend({ tenantId, userId: person.id });
  assert.ok(isSentToSignIn(await agent.fetch('/account')));
  const signIn = await agent.follow('/account');
  const { response } = await agent.submit(signIn, '/sign-in', person);
  assert.equal(response.status, 401);
});

test('another account of the browser can be chosen', async () => {
  const other = await addUser(world, 'second');
  const { agent } = await enterAccount(world);
  const chooser = await agent.follow('/account/switch');
  assert.match(chooser.html, /an@lotus\.example/);
  const signIn = await agent.submit(chooser, '/accounts/another', {});
  const { html } = await agent.submit(signIn, '/sign-in', other);
  assert.match(html, /second@lotus\.example/);
  const again = await agent.follow('/account/switch');
  const [, handle = ''] =
    /name="account" value="([^"]+)">\s*<span[^>]*>N<\/span>/.exec(again.html) ?? [];
  const back = await agent.submit(again, '/accounts', { account: handle });
  assert.equal(back.url.pathname, '/account');
  assert.match(back.html, /an@lotus\.example/);
});

test('signing out ends the session at once, by a form of this session only (ASVS 7.4.1)', async () => {
  const { agent, page } = await enterAccount(world);
  const form = findForm(page, '/account/sign-out');
  const refused = await agent.fetch(form.action, {
    method: 'POST',
    body: new URLSearchParams({ csrf: 'x' }),
  });
  assert.equal(refused.status, 403);
  assert.equal((await agent.fetch('/account')).status, 200);
  const cookie = `gh_account=${agent.cookies.get('gh_account')}`;
  const gone = await agent.submit(page, '/account/sign-out', {});
  assert.equal(gone.url.pathname, '/account/signed-out');
  assert.equal(gone.response.status, 200);
  assert.ok(!agent.cookies.has('gh_account'));
  assert.ok(!agent.cookies.has('gh_session'));
  assert.ok(isSentToSignIn(await askWith(url, cookie)), 'a copy of the cookie is worth nothing');
});

test('who gives up a sign-in is at the front page, not asked again and again', async () => {
  const agent = createUserAgent(url);
  const signIn = await agent.follow('/account');
  const end = await agent.submit(signIn, '/abort', {});
  assert.equal(end.url.pathname, '/');
  assert.equal(end.response.status, 200);
});
