import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedClient, seedPeople, startGatehouse } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover, exchange } from '../helpers/openid.ts';
import { createUserAgent, findForm, type UserAgent } from '../helpers/user-agent.ts';

const gatehouse = await startGatehouse();
const people = await seedPeople(gatehouse.deps);
const client = await seedClient(gatehouse.deps, people.tenantId, { isFirstParty: false });
const configuration = await discover(gatehouse.url, client);
const credentials = { identifier: people.user.email, password: people.user.password };

type Page = Awaited<ReturnType<UserAgent['follow']>>;

/** A browser with a sign-in page in front of it. */
async function openSignIn() {
  const agent = createUserAgent(gatehouse.url);
  const request = await authorizationRequest(configuration, client.redirectUri);
  return { agent, request, page: await agent.follow(request.url) };
}

async function openConsent() {
  const opened = await openSignIn();
  return { ...opened, page: await opened.agent.submit(opened.page, '/sign-in', credentials) };
}

const headingOf = (page: Page): string =>
  (/<h1>(.*?)<\/h1>/s.exec(page.html)?.[1] ?? '').replace(/<[^>]*>/g, '');

const isSignIn = (page: Page): boolean => headingOf(page) === 'Sign in';
const isConsent = (page: Page): boolean => /^Let .* use your/.test(headingOf(page));

const post = (agent: UserAgent, url: URL | string, fields: Record<string, string> = {}) =>
  agent.follow(url, { method: 'POST', body: new URLSearchParams(fields) });

/** Asserts that an attempt changed nothing: the step is still there and still works. */
async function assertStillWorks({ agent, page, request }: Awaited<ReturnType<typeof openSignIn>>) {
  const consent = await agent.submit(page, '/sign-in', credentials);
  const end = await agent.submit(consent, '/consent', { decision: 'allow' });
  const tokens = await exchange(configuration, request, end.url);
  assert.equal(tokens.claims()?.sub, people.user.id);
}

test('a form without its token, or with a wrong one, is refused (ASVS 3.5.1)', async () => {
  const opened = await openSignIn();
  const { action, fields } = findForm(opened.page, '/sign-in');
  const { csrf = '' } = fields;
  for (const token of [undefined, '', 'x', csrf.slice(0, -1), `${csrf}A`, csrf.toUpperCase()]) {
    const given = token === undefined ? {} : { csrf: token };
    const { response, html } = await post(opened.agent, action, { ...credentials, ...given });
    assert.equal(response.status, 403, token);
    assert.match(html, /We couldn’t accept that form/);
    assert.equal(response.headers.get('set-cookie'), null);
  }
  await assertStillWorks(opened);
});

test('the token of one sign-in does not fit another, not even in one browser', async () => {
  const one = await openSignIn();
  const other = await one.agent.follow(
    (await authorizationRequest(configuration, client.redirectUri)).url,
  );
  const stranger = await openSignIn();
  const { action } = findForm(one.page, '/sign-in');
  for (const page of [other, stranger.page]) {
    const { csrf = '' } = findForm(page, '/sign-in').fields;
    const { response } = await post(one.agent, action, { ...credentials, csrf });
    assert.equal(response.status, 403);
  }
  await assertStillWorks(one);
});

test('every step asks for its token, cancelling and consenting too', async () => {
  const opened = await openConsent();
  const { action } = findForm(opened.page, '/consent');
  for (const path of ['abort', 'consent', 'sign-in']) {
    const { response } = await post(opened.agent, new URL(path, action), { decision: 'allow' });
    assert.equal(response.status, 403, path);
  }
});

test('an empty form shows the same step again (CVE-2026-49443)', async () => {
  const opened = await openSignIn();
  const { action, fields } = findForm(opened.page, '/sign-in');
  for (const _ of ['once', 'twice', 'thrice']) {
    assert.ok(isSignIn(await post(opened.agent, action, fields)));
  }
  await assertStillWorks(opened);

  const consent = await openConsent();
  const form = findForm(consent.page, '/consent');
  for (const decision of ['', 'yes', 'ALLOW', 'allow deny']) {
    const again = await post(consent.agent, form.action, { ...form.fields, decision });
    assert.ok(isConsent(again), decision);
  }
});

test('a step out of order shows the step that is due (CVE-2026-49443, ASVS 2.3.1)', async () => {
  const opened = await openSignIn();
  const { action, fields } = findForm(opened.page, '/sign-in');
  const early = { ...fields, decision: 'allow' };
  assert.ok(isSignIn(await post(opened.agent, new URL('consent', action), early)));
  await assertStillWorks(opened);

  const consent = await openConsent();
  const form = findForm(consent.page, '/consent');
  const late = { ...form.fields, ...credentials };
  assert.ok(isConsent(await post(consent.agent, new URL('sign-in', form.action), late)));
});

test('the resume address alone signs nobody in (CVE-2026-7571)', async () => {
  const opened = await openSignIn();
  const uid = opened.page.url.pathname.split('/')[2];
  const early = await opened.agent.follow(`/authorize/${uid}`);
  assert.equal(early.url.origin, gatehouse.url);
  const stranger = createUserAgent(gatehouse.url);
  const { response } = await stranger.follow(`/authorize/${uid}`);
  assert.equal(response.status, 400);
});

test('what is added to the resume address changes nothing (CVE-2026-7571)', async () => {
  const { agent, page, request } = await openConsent();
  const { action, fields } = findForm(page, '/consent');
  const body = new URLSearchParams({ ...fields, decision: 'allow' });
  const sent = await agent.fetch(action, { method: 'POST', body });
  const resume = new URL(sent.headers.get('location') ?? '', gatehouse.url);
  for (const [name, value] of [
    ['response_type', 'token'],
    ['response_mode', 'fragment'],
    ['redirect_uri', 'https://evil.example/'],
    ['scope', 'openid offline_access'],
    ['client_id', 'nobody'],
    ['state', 'forged'],
  ] as const) {
    resume.searchParams.set(name, value);
  }
  const end = await agent.follow(resume);
  assert.equal(end.url.origin + end.url.pathname, client.redirectUri);
  assert.equal(end.url.searchParams.get('state'), request.state);
  assert.equal(end.url.hash, '');
  const tokens = await exchange(configuration, request, end.url);
  assert.equal(tokens.scope, 'openid profile email');
});

test('somebody else’s sign-in cannot be looked at, finished or taken over (CVE-2026-7571)', async () => {
  const victim = await openConsent();
  const { action, fields } = findForm(victim.page, '/consent');
  const attacker = await openSignIn();
  const uid = action.pathname.split('/')[2] ?? '';
  const own = attacker.page.url.pathname.split('/')[2] ?? '';
  const { cookies } = attacker.agent;
  const forged = [
    `gh_interaction=${uid}`,
    `gh_interaction=${uid}; gh_interaction.sig=${cookies.get('gh_interaction.sig')}`,
    `gh_interaction=${own}; gh_interaction.sig=${cookies.get('gh_interaction.sig')}`,
  ];
  for (const cookie of forged) {
    const headers = { cookie, accept: 'text/html' };
    const seen = await fetch(victim.page.url, { headers });
    assert.equal(seen.status, 400, cookie);
    assert.doesNotMatch(await seen.text(), new RegExp(people.user.email));
    const body = new URLSearchParams({ ...fields, decision: 'allow' });
    const sent = await fetch(action, { method: 'POST', headers, body, redirect: 'manual' });
    assert.equal(sent.status, 400, cookie);
  }
});

test('a form that is no form, too large or given twice over is refused', async () => {
  const { agent, page } = await openSignIn();
  const { action, fields } = findForm(page, '/sign-in');
  const twice = new URLSearchParams([
    ...Object.entries(fields),
    ['password', 'a'],
    ['password', 'b'],
  ]);
  const large = new URLSearchParams({ ...fields, identifier: 'x'.repeat(20_000) });
  const json = new Blob([JSON.stringify({ ...fields, ...credentials })], {
    type: 'application/json',
  });
  for (const [status, body] of [
    [400, twice],
    [413, large],
    [415, json],
  ] as const) {
    const response = await agent.fetch(action, { method: 'POST', body });
    assert.equal(response.status, status);
    assert.match(response.headers.get('content-type') ?? '', /^text\/html/);
  }
});
