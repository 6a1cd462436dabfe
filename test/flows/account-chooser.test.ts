import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorizationRequest, discover, exchange } from '../helpers/openid.ts';
import { createUserAgent, findForm, type UserAgent } from '../helpers/user-agent.ts';
import { addUser, createWorld, signInForTokens } from './support.ts';

const world = await createWorld();
const { url, people, deps } = world;
const configuration = await discover(url, world.client);
const an = { identifier: people.user.email, password: people.user.password, id: people.user.id };
const binh = await addUser(world, 'binh');
const chi = await addUser(world, 'chi');

type Page = Awaited<ReturnType<UserAgent['follow']>>;
type Person = typeof an;

async function ask(agent: UserAgent, parameters: Record<string, string> = {}) {
  const request = await authorizationRequest(configuration, world.client.redirectUri, parameters);
  return { request, page: await agent.follow(request.url) };
}

const headingOf = ({ html }: Page): string =>
  (/<h1>(.*?)<\/h1>/s.exec(html)?.[1] ?? '').replace(/<[^>]*>/g, '');

/** Names on the chooser with the handles behind them, in order. */
const choicesOf = ({ html }: Page): { handle: string; name: string }[] =>
  [...html.matchAll(/class="person"[^>]*value="([^"]+)"[\s\S]*?<bdi>([^<]+)</g)].map(
    ([, handle = '', name = '']) => ({ handle, name }),
  );

const handleOf = (page: Page, index: number): string => choicesOf(page)[index]?.handle ?? '';

async function claimsOf(
  ended: { request: Awaited<ReturnType<typeof ask>>['request'] },
  end: Page,
): Promise<Record<string, unknown> & { accessToken: string }> {
  const tokens = await exchange(configuration, ended.request, end.url);
  const claims = tokens.claims();
  assert.ok(claims);
  return { ...claims, accessToken: tokens.access_token };
}

/** Signs in beside whoever is signed in already. */
async function add(agent: UserAgent, person: Omit<Person, 'id'>) {
  const asked = await ask(agent, { prompt: 'select_account' });
  const page = await agent.submit(asked.page, '/accounts/another', {});
  return claimsOf(asked, await agent.submit(page, '/sign-in', person));
}

async function choose(agent: UserAgent, index: number, parameters: Record<string, string> = {}) {
  const asked = await ask(agent, { prompt: 'select_account', ...parameters });
  const account = handleOf(asked.page, index);
  return { ...asked, end: await agent.submit(asked.page, '/accounts', { account }) };
}

const isLive = async (accessToken: string): Promise<boolean> => {
  const response = await fetch(`${url}/userinfo`, {
    headers: { authorization: `Bearer ${accessToken}` },
  });
  return response.status === 200;
};

test('accounts of one browser are chosen among, each with its own session, time and methods', async (t) => {
  const { agent } = await signInForTokens(world);
  const silent = await ask(agent);
  const first = await claimsOf(silent, silent.page);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 120_000 });
  const second = await add(agent, binh);
  assert.equal(second.sub, binh.id);
  assert.notEqual(second.sid, first.sid);

  const chosen = await choose(agent, 1);
  const again = await claimsOf(chosen, chosen.end);
  assert.equal(again.sub, an.id);
  assert.equal(again.sid, first.sid);
  assert.equal(again.auth_time, first.auth_time);
  assert.deepEqual(again.amr, ['pwd']);

  const back = await choose(agent, 1);
  const other = await claimsOf(back, back.end);
  assert.deepEqual(
    [other.sub, other.sid, other.auth_time],
    [binh.id, second.sid, second.auth_time],
  );
  assert.ok((await isLive(first.accessToken)) && (await isLive(second.accessToken)));
});

test('choosing an account is no proof of anything: prompt=login and max_age ask all the same (Core 3.1.2.1)', async (t) => {
  const { agent } = await signInForTokens(world);
  await add(agent, binh);
  const { end } = await choose(agent, 1, { prompt: 'select_account login' });
  assert.equal(headingOf(end), 'Sign in');
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 120_000 });
  const old = await choose(agent, 1, { max_age: '60' });
  assert.equal(headingOf(old.end), 'Sign in');
  const done = await agent.submit(old.end, '/sign-in', an);
  const claims = await claimsOf(old, done);
  assert.equal(claims.sub, an.id);
  assert.ok(Number(claims.auth_time) * 1_000 > Date.now() - 60_000);
});

test('the cookie tells nothing, is bounded, and forged ones are none (CVE-2026-25748)', async () => {
  const { agent } = await signInForTokens(world);
  const before = agent.cookies.get('gh_session') ?? '';
  await add(agent, binh);
  const cookie = agent.cookies.get('gh_accounts') ?? '';
  assert.ok(cookie.length > 0 && cookie.length < 1_024);
  assert.ok(!Buffer.from(cookie, 'base64url').includes(before));
  const stranger = await signInForTokens(world, { credentials: chi });
  const forged = [
    'x',
    'a'.repeat(4_000),
    Buffer.from(JSON.stringify([before])).toString('base64url'),
    `${cookie.slice(0, -4)}AAAA`,
    '%00%ff"; gh_accounts=[]',
  ];
  for (const value of forged) {
    const asked = await authorizationRequest(configuration, world.client.redirectUri, {
      prompt: 'select_account',
    });
    const page = await stranger.agent.follow(asked.url);
    const all = [...stranger.agent.cookies, ['gh_accounts', value]];
    const headers = { cookie: all.map(([name, given]) => `${name}=${given}`).join('; ') };
    const seen = await stranger.agent.fetch(page.url, { headers });
    assert.equal(seen.status, 200, value);
    assert.equal(choicesOf({ ...page, html: await seen.text() }).length, 1, value);
  }
});

test('of more accounts than five the last used are kept', async () => {
  const { agent } = await signInForTokens(world);
  for (const name of ['two', 'three', 'four', 'five', 'six']) {
    await add(agent, await addUser(world, name));
  }
  const { page } = await ask(agent, { prompt: 'select_account' });
  const names = choicesOf(page).map(({ name }) => name);
  assert.equal(names.length, 5);
  assert.ok(names[0]?.includes('six') && !names.includes('Nguyễn Thị An'), names.join());
});

test('a session that has ended is not offered, and choosing it leads nowhere (CVE-2025-29928)', async () => {
  const { agent } = await signInForTokens(world, { credentials: chi });
  await add(agent, binh);
  const { page } = await ask(agent, { prompt: 'select_account' });
  const account = handleOf(page, 1);
  await deps.sessions.endAllOf(chi.id, { reason: 'ended_by_administrator' });
  const refused = await agent.submit(page, '/accounts', { account });
  assert.equal(headingOf(refused), 'Choose an account');
  assert.equal(choicesOf(refused).length, 1);
});

test('an account that is signed out of on the chooser is gone, with its tokens', async () => {
  const { agent, accessToken } = await signInForTokens(world);
  const second = await add(agent, binh);
  const { page } = await ask(agent, { prompt: 'select_account' });
  const one = await agent.submit(page, '/accounts/forget', { account: handleOf(page, 1) });
  assert.equal(choicesOf(one).length, 1);
  assert.deepEqual([await isLive(accessToken), await isLive(second.accessToken)], [false, true]);
  const none = await agent.submit(one, '/accounts/forget', { account: handleOf(one, 0) });
  assert.equal(headingOf(none), 'Sign in');
  assert.equal(await isLive(second.accessToken), false);
  const fresh = await agent.submit(none, '/sign-in', an);
  assert.ok(fresh.url.searchParams.get('code'));
});

test('the chooser takes no session of another browser, and no form but its own (ASVS 3.5.1)', async () => {
  const { agent } = await signInForTokens(world);
  await add(agent, binh);
  const stranger = await signInForTokens(world, { credentials: chi });
  const { page } = await ask(agent, { prompt: 'select_account' });
  const theirs = await ask(stranger.agent, { prompt: 'select_account' });
  const foreign = await stranger.agent.submit(theirs.page, '/accounts', {
    account: handleOf(page, 0),
  });
  assert.equal(headingOf(foreign), 'Choose an account');
  const { action } = findForm(page, '/accounts');
  const unsigned = await agent.follow(action, {
    method: 'POST',
    body: new URLSearchParams({ account: handleOf(page, 1) }),
  });
  assert.equal(unsigned.response.status, 403);
});

test('after signing out of one account, the others are offered', async () => {
  const { agent } = await signInForTokens(world);
  const second = await add(agent, binh);
  const page = await agent.follow('/logout');
  await agent.submit(page, '/logout/confirm', { logout: 'yes' });
  assert.equal(await isLive(second.accessToken), false);
  const { page: chooser } = await ask(agent);
  assert.deepEqual(
    choicesOf(chooser).map(({ name }) => name),
    ['Nguyễn Thị An'],
  );
});

test('signing out everywhere asks, ends every session of the account and clears the browser (ASVS 7.4.1)', async () => {
  const elsewhere = await signInForTokens(world);
  const { agent, accessToken } = await signInForTokens(world);
  const page = await agent.follow('/logout/everywhere');
  assert.match(page.html, /Nguyễn Thị An/);
  const forged = await agent.follow('/logout/everywhere', {
    method: 'POST',
    body: new URLSearchParams({ csrf: 'x' }),
  });
  assert.equal(forged.response.status, 403);
  assert.ok(await isLive(accessToken));
  const end = await agent.submit(page, '/logout/everywhere', {});
  assert.equal(end.url.pathname, '/logout/everywhere/done');
  assert.equal(headingOf(end), 'You’re signed out everywhere');
  assert.equal(agent.cookies.get('gh_session'), undefined);
  for (const token of [accessToken, elsewhere.accessToken])
    assert.equal(await isLive(token), false);
  assert.equal(headingOf((await ask(elsewhere.agent)).page), 'Sign in');
});

test('whoever is not signed in signs in first, then comes back to it', async () => {
  const agent = createUserAgent(url);
  const signIn = await agent.follow('/logout/everywhere');
  assert.equal(headingOf(signIn), 'Sign in');
  const page = await agent.submit(signIn, '/sign-in', an);
  assert.equal(page.url.href, `${url}/logout/everywhere`);
  assert.equal(headingOf(page), 'Sign out everywhere?');
});
