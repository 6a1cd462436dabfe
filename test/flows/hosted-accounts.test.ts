import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorizationRequest, discover, exchange } from '../helpers/openid.ts';
import { createUserAgent, findForm, type UserAgent } from '../helpers/user-agent.ts';
import { codeIn, createProofWorld, MINUTE, wrongCode } from './proof-support.ts';

// Each browser has an address of its own, and so its own budget of tries.
const world = await createProofWorld({ TRUSTED_PROXIES: '127.0.0.1' });
const { url, people, deps, clock, mailbox } = world;
await deps.tenants.updateSettings(people.tenantId, {
  selfRegistration: true,
  emailCodeSignIn: true,
});
const configuration = await discover(url, world.client);
const PASSWORD = 'violet harbour tandem 41';

type Page = Awaited<ReturnType<UserAgent['follow']>>;

let browsers = 0;

function openBrowser(): UserAgent {
  browsers += 1;
  return createUserAgent(url, { 'x-forwarded-for': `198.51.100.${browsers}` });
}

async function open(parameters: Record<string, string> = {}, agent = openBrowser()) {
  const request = await authorizationRequest(configuration, world.client.redirectUri, parameters);
  return { agent, request, page: await agent.follow(request.url) };
}

const headingOf = ({ html }: Page): string =>
  (/<h1>(.*?)<\/h1>/s.exec(html)?.[1] ?? '').replace(/<[^>]*>/g, '');

const textOf = ({ html }: Page): string =>
  (/<main[\s\S]*<\/main>/.exec(html)?.[0] ?? '').replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

const toStep = (agent: UserAgent, page: Page, step: string): Promise<Page> =>
  agent.follow(`/interaction/${page.url.pathname.split('/')[2]}/${step}`);

const post = (agent: UserAgent, target: URL | string, fields: Record<string, string>) =>
  agent.follow(target, { method: 'POST', body: new URLSearchParams(fields) });

let registered = 0;

async function signUp() {
  const email = `new-${registered++}@lotus.example`;
  const opened = await open();
  const form = await toStep(opened.agent, opened.page, 'sign-up');
  const fields = { name: 'Lê Văn Mới', identifier: email, password: PASSWORD };
  const page = await opened.agent.submit(form, '/sign-up', fields);
  await deps.outbox.drain();
  return { ...opened, email, page };
}

async function askForCode(identifier: string, agent = openBrowser()) {
  const opened = await open({}, agent);
  const form = await toStep(opened.agent, opened.page, 'code/email');
  return { ...opened, page: await opened.agent.submit(form, '/code/email', { identifier }) };
}

async function askForReset(identifier: string) {
  const opened = await open();
  const form = await toStep(opened.agent, opened.page, 'forgot');
  return { ...opened, page: await opened.agent.submit(form, '/forgot', { identifier }) };
}

const linkIn = (text: string): URL => {
  const link = /^\s*(http\S+token=\S+)/m.exec(text)?.[1];
  assert.ok(link, text);
  return new URL(link);
};

test('the sign-in page links to what the organisation allows, and to nothing else', async () => {
  const { page, agent } = await open();
  for (const step of ['sign-up', 'code/email', 'forgot'])
    assert.match(page.html, new RegExp(`/${step}"`));
  assert.doesNotMatch(page.html, /code\/sms"/);
  const closed = await toStep(agent, page, 'code/sms');
  assert.equal(headingOf(closed), 'Sign in');
  assert.equal((await toStep(agent, page, 'code/pigeon')).response.status, 404);
});

test('whoever signs up proves the address by the code and signs in', async () => {
  const { agent, page, email, request } = await signUp();
  assert.equal(headingOf(page), 'Confirm your address');
  assert.ok(!page.url.href.includes('lotus.example'), 'no address in an address');
  const mail = await mailbox.take(email);
  const code = codeIn(mail);
  const wrong = await agent.submit(page, '/verify', { code: wrongCode(code) });
  assert.equal(wrong.response.status, 422);
  assert.match(textOf(wrong), /This code is wrong or has expired/);
  const signIn = await agent.submit(wrong, '/verify', {
    code: ` ${code.slice(0, 3)} ${code.slice(3)}`,
  });
  assert.equal(headingOf(signIn), 'Sign in');
  assert.match(textOf(signIn), /that’s confirmed/);
  assert.ok(signIn.html.includes(`value="${email}"`));
  const end = await agent.submit(signIn, '/sign-in', { identifier: email, password: PASSWORD });
  const claims = (await exchange(configuration, request, end.url)).claims();
  assert.deepEqual(claims?.amr, ['pwd']);
});

test('nobody is signed in before the address is proved (GHSA-xg6x-h9c9-2m83)', async () => {
  const { agent, page, email } = await signUp();
  const early = await agent.follow(`/authorize/${page.url.pathname.split('/')[2]}`);
  assert.equal(early.url.origin, url);
  const signIn = await toStep(agent, early, 'sign-in');
  const refused = await agent.submit(signIn, '/sign-in', { identifier: email, password: PASSWORD });
  assert.equal(refused.response.status, 401);
  assert.ok(textOf(refused).includes('or its address isn’t confirmed yet'), textOf(refused));
  assert.doesNotMatch((await agent.follow('/')).html, /You’re signed in/);
});

test('signing up with an address that has an account reads the same (ASVS 6.3.8)', async () => {
  const { agent, page } = await open();
  const form = await toStep(agent, page, 'sign-up');
  const taken = await agent.submit(form, '/sign-up', {
    ...{ name: 'Mallory', identifier: people.user.email, password: PASSWORD },
  });
  await deps.outbox.drain();
  assert.match((await mailbox.take(people.user.email)).text, /It has one already/);
  const fresh = await signUp();
  const shape = (one: Page) => textOf(one).replaceAll(/\S+@lotus\.example/g, '');
  assert.equal(shape(taken), shape(fresh.page));
  assert.equal(taken.response.status, fresh.page.response.status);
});

test('a form of sign-up says what is wrong with each field and keeps what was typed', async () => {
  const { agent, page } = await open();
  const form = await toStep(agent, page, 'sign-up');
  const empty = await agent.submit(form, '/sign-up', {});
  assert.equal(empty.response.status, 400);
  for (const text of ['Enter your name', 'Enter an e-mail address', 'Choose a password']) {
    assert.ok(textOf(empty).includes(text), text);
  }
  const typed = { name: 'Lê "Mới" <b>', identifier: 'weak@lotus.example' };
  for (const [password, text] of [
    ['short', 'Use at least 8 characters'],
    ['password', 'easy to guess'],
    ['x'.repeat(300), 'too long'],
  ] as const) {
    const weak = await agent.submit(form, '/sign-up', { ...typed, password });
    assert.equal(weak.response.status, 400, password);
    assert.ok(textOf(weak).includes(text), textOf(weak));
    assert.ok(weak.html.includes('value="Lê &quot;Mới&quot; &lt;b&gt;"'));
    assert.doesNotMatch(weak.html, /type="password"[^>]*value=/);
  }
});

test('the link in the mail proves the address once it is confirmed, and once only (CVE-2026-37982)', async () => {
  const { agent, page, email } = await signUp();
  const link = linkIn((await mailbox.take(email)).text);
  const shown = await agent.follow(link);
  assert.equal(headingOf(shown), 'Confirm your address');
  assert.equal(shown.response.headers.get('referrer-policy'), 'no-referrer');
  assert.equal(shown.response.headers.get('cache-control'), 'no-store');
  assert.doesNotMatch(shown.html, /(?:src|href)="https?:\/\/(?!localhost)/);
  // Opened any number of times, by scanners too, it changes nothing.
  assert.equal(headingOf(await openBrowser().follow(link)), 'Confirm your address');
  const forged = await post(agent, '/verify-email', {
    token: link.searchParams.get('token') ?? '',
  });
  assert.equal(forged.response.status, 403);
  const done = await agent.submit(shown, '/verify-email', {});
  assert.equal(headingOf(done), 'Your e-mail address is confirmed');
  assert.ok(done.html.includes(`href="/interaction/${page.url.pathname.split('/')[2]}/sign-in"`));
  for (const again of [await agent.submit(shown, '/verify-email', {}), await agent.follow(link)]) {
    assert.equal(again.response.status, 422);
    assert.equal(headingOf(again), 'This link doesn’t work any more');
  }
  const signIn = await toStep(agent, page, 'sign-in');
  const end = await agent.submit(signIn, '/sign-in', { identifier: email, password: PASSWORD });
  assert.ok(end.url.searchParams.get('code'));
});

test('links that are none of ours end alike', async () => {
  for (const path of ['verify-email', 'reset-password']) {
    for (const query of [
      '',
      '?token=',
      '?token=x',
      `?token=${'A'.repeat(43)}`,
      '?token=a&token=b',
    ]) {
      const { response } = await openBrowser().follow(`/${path}${query}`);
      assert.equal(response.status, 422, path + query);
    }
  }
});

test('a code by mail signs in, once (RFC 8176: otp)', async () => {
  const { email } = people.user;
  const { agent, page, request } = await askForCode(email);
  assert.equal(headingOf(page), 'Enter your code');
  const code = codeIn(await mailbox.take(email));
  const empty = await agent.submit(page, '/code/enter', {});
  assert.equal(empty.response.status, 400);
  const end = await agent.submit(empty, '/code/enter', { code });
  const claims = (await exchange(configuration, request, end.url)).claims();
  assert.deepEqual([claims?.sub, claims?.amr], [people.user.id, ['otp']]);
  const replayed = await post(agent, findForm(page, '/code/enter').action, { code });
  assert.notEqual(replayed.response.status, 303);
  assert.equal(replayed.url.searchParams.get('code'), null);
});

test('codes for somebody and for nobody look the same on every page (ASVS 6.3.8)', async () => {
  clock.advance(10 * MINUTE);
  const answers: unknown[] = [];
  for (const identifier of [people.user.email, 'nobody@lotus.example']) {
    const { agent, page } = await askForCode(identifier);
    const wrong = await agent.submit(page, '/code/enter', { code: '000000' });
    const resent = await agent.submit(wrong, '/code/resend', {});
    answers.push(
      [page, wrong, resent].map((one) => [
        one.response.status,
        headingOf(one),
        textOf(one).replaceAll(identifier, ''),
      ]),
    );
  }
  assert.deepEqual(answers[0], answers[1]);
  assert.match(JSON.stringify(answers[0]), /We’ve sent a code just now/);
});

test('a new code comes after a minute, and the page says that only it works', async () => {
  clock.advance(10 * MINUTE);
  const { email } = people.user;
  const { agent, page } = await askForCode(email);
  clock.advance(MINUTE + 1_000);
  const resent = await agent.submit(page, '/code/resend', {});
  assert.equal(resent.response.status, 200);
  assert.match(textOf(resent), /A new code is on its way/);
});

test('five wrong codes lock, and the page says for how long', async () => {
  clock.advance(10 * MINUTE);
  const { agent, page } = await askForCode('locked@lotus.example');
  let answer = page;
  for (let tries = 0; tries < 6; tries += 1) {
    answer = await agent.submit(answer, '/code/enter', { code: '123456' });
  }
  assert.ok([423, 429].includes(answer.response.status));
  assert.match(textOf(answer), /minutes/);
  assert.ok(Number(answer.response.headers.get('retry-after')) > 0);
});

test('a forgotten password is replaced after the code; a weak one does not cost the code', async () => {
  const { agent, page, email } = await signUp();
  const verified = await agent.submit(page, '/verify', { code: codeIn(await mailbox.take(email)) });
  assert.equal(headingOf(verified), 'Sign in');
  const reset = await askForReset(email);
  assert.equal(headingOf(reset.page), 'Enter your code');
  const code = codeIn(await mailbox.take(email));
  const nothing = await reset.agent.submit(reset.page, '/reset', {});
  assert.equal(nothing.response.status, 400);
  const proved = await reset.agent.submit(nothing, '/reset', { code });
  assert.equal(headingOf(proved), 'Choose a new password');
  const weak = await reset.agent.submit(proved, '/reset', { password: 'short' });
  assert.ok(textOf(weak).includes('Use at least 8 characters'), textOf(weak));
  // SP 800-63B-4 3.1.1.2: how strong it is, is told in words, without JavaScript.
  assert.match(textOf(weak), /What you typed is (very )?weak/);
  assert.match(weak.html, /<meter [^>]*value="[01]"/);
  const password = 'another harbour, quite new';
  const done = await reset.agent.submit(weak, '/reset', { password });
  assert.equal(headingOf(done), 'Your password is changed');
  const signIn = await toStep(reset.agent, reset.page, 'sign-in');
  const old = await reset.agent.submit(signIn, '/sign-in', {
    identifier: email,
    password: PASSWORD,
  });
  assert.equal(old.response.status, 401);
  const end = await reset.agent.submit(signIn, '/sign-in', { identifier: email, password });
  assert.ok(end.url.searchParams.get('code'));
});

test('the link to a new password works once, in any browser, and signs nobody in', async () => {
  const first = await signUp();
  await first.agent.submit(first.page, '/verify', {
    code: codeIn(await mailbox.take(first.email)),
  });
  const asked = await askForReset(first.email);
  const link = linkIn((await mailbox.take(first.email)).text);
  const other = openBrowser();
  const shown = await other.follow(link);
  assert.equal(headingOf(shown), 'Choose a new password');
  const weak = await other.submit(shown, '/reset-password', { password: 'password' });
  assert.equal(weak.response.status, 400);
  const password = 'by the link, quite another';
  const done = await other.submit(weak, '/reset-password', { password });
  assert.equal(headingOf(done), 'Your password is changed');
  assert.equal(done.url.search, '');
  assert.equal(other.cookies.get('gh_session'), undefined);
  const again = await other.submit(shown, '/reset-password', { password });
  assert.equal(again.response.status, 422);
  const signIn = await toStep(asked.agent, asked.page, 'sign-in');
  const end = await asked.agent.submit(signIn, '/sign-in', { identifier: first.email, password });
  assert.ok(end.url.searchParams.get('code'));
});

test('the link of a notice leads to a new password, and whoever signs in then to the front page', async () => {
  const { agent, email, page } = await signUp();
  await agent.submit(page, '/verify', { code: codeIn(await mailbox.take(email)) });
  const reader = openBrowser();
  const begun = await reader.follow(`/forgot-password?tenant=${people.tenantId}`);
  assert.match(begun.url.pathname, /^\/interaction\/[\w-]+\/forgot$/);
  assert.ok(textOf(begun).includes('Lotus Health'));
  const asked = await reader.submit(begun, '/forgot', { identifier: email });
  const password = 'a harbour for the reader';
  const code = codeIn(await mailbox.take(email));
  const chosen = await reader.submit(asked, '/reset', { code });
  await reader.submit(chosen, '/reset', { password });
  // The step that the link named comes once; after it the sign-in is like any other.
  const again = await reader.follow(begun.url.pathname.replace(/\/forgot$/, ''));
  assert.equal(headingOf(again), 'Sign in');
  const end = await reader.submit(again, '/sign-in', { identifier: email, password });
  assert.equal(end.url.pathname, '/');
  assert.ok(textOf(end).includes('Lê Văn Mới'), textOf(end));
});

test('asking for a new password reads the same for somebody and for nobody (ASVS 6.3.8, logto#8485)', async () => {
  const answers: unknown[] = [];
  for (const identifier of [people.user.email, 'nobody@lotus.example', 'nobody.at.all']) {
    const { agent, page } = await askForReset(identifier);
    const wrong = await agent.submit(page, '/reset', { code: '000000' });
    answers.push(
      [page, wrong].map((one) => [
        one.response.status,
        headingOf(one),
        textOf(one).replaceAll(identifier, ''),
      ]),
    );
  }
  assert.deepEqual(answers[1], answers[0]);
  assert.deepEqual(answers[2], answers[0]);
});

test('steps that were not begun, or are over, lead back to the one that is due (CVE-2026-49443)', async () => {
  const { agent, page } = await open();
  const csrf = findForm(page, '/sign-in').fields.csrf ?? '';
  const base = page.url.pathname;
  const early = ['verify', 'verify/resend', 'code/enter', 'code/resend', 'reset', 'reset/resend'];
  for (const step of early) {
    const answer = await post(agent, `${base}/${step}`, {
      csrf,
      code: '123456',
      password: PASSWORD,
    });
    assert.equal(headingOf(answer), 'Sign in', step);
    const missing = await post(agent, `${base}/${step}`, { code: '123456' });
    assert.equal(missing.response.status, 403, step);
  }
  for (const step of ['verify', 'code/enter', 'reset', 'accounts']) {
    assert.equal(headingOf(await agent.follow(`${base}/${step}`)), 'Sign in', step);
  }
  for (const step of ['sign-up', 'code/email', 'forgot']) {
    for (const _ of ['once', 'twice']) {
      const empty = await post(agent, `${base}/${step}`, { csrf });
      assert.equal(empty.response.status, 400, step);
    }
  }
  const end = await agent.submit(page, '/sign-in', {
    identifier: people.user.email,
    password: people.user.password,
  });
  assert.ok(end.url.searchParams.get('code'));
});
