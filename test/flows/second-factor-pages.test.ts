import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerDevice, pollDevice, seedDeviceClient, startDevice } from './device-support.ts';
import {
  assertNobody,
  claimsOf,
  codeIn,
  enterPassword,
  findForm,
  heading,
  newBrowser,
  openFactor,
  openSignIn,
  postTo,
  signedInBy,
  stepOf,
} from './factor-pages-support.ts';
import {
  addPerson,
  addProtected,
  createMfaWorld,
  eventsOf,
  MINUTE,
  setTenant,
  wrong,
} from './mfa-support.ts';

const world = await createMfaWorld();
const person = await addProtected(world);
const bare = await addPerson(world);
const [spare = ''] = await world.deps.recoveryCodes.generate(person);
const TITLE = 'Confirm that it’s you';

test('a password leads to the second factor and no further (rows 7, 33; GHSA-xg6x-h9c9-2m83, CVE-2025-3910)', async () => {
  const opened = await openFactor(world, person);
  assert.equal(opened.page.response.status, 200);
  assert.equal(stepOf(opened.page), '/second-factor');
  assert.equal(heading(opened.page), TITLE);
  await assertNobody(world, opened);
  assert.equal(opened.agent.cookies.has('gh_device'), false);
  assert.doesNotMatch((await eventsOf(world, person.id)).join(), /logged_in|session\.created/);
  const resumed = await opened.agent.follow(`/authorize/${opened.uid}`);
  assert.equal(codeIn(resumed), undefined);
  assert.match(resumed.url.pathname, /^\/interaction\//);
});

test('the code of the app goes on, and the token says what was shown (row 16)', async () => {
  const opened = await openFactor(world, person);
  const end = await opened.agent.submit(opened.page, '/second-factor/app', {
    code: person.code().replace(/(...)/, '$1 '),
  });
  const claims = await claimsOf(opened, end);
  assert.equal(claims.sub, person.id);
  assert.deepEqual(claims.amr, ['pwd', 'otp', 'mfa']);
  assert.equal(claims.acr, 'urn:gatehouse:acr:2fa');
});

test('who has no second factor is let in by the password (row 6)', async () => {
  const opened = await openSignIn(world);
  const claims = await claimsOf(opened, await enterPassword(opened, bare));
  assert.deepEqual([claims.amr, claims.acr], [['pwd'], 'urn:gatehouse:acr:1fa']);
});

test('a recovery code goes on, once (rows 14, 16, 18; ASVS 6.5.1)', async () => {
  const opened = await openFactor(world, person);
  const other = await opened.agent.follow(`/interaction/${opened.uid}/second-factor/recovery-code`);
  const end = await opened.agent.submit(other, '/second-factor/recovery-code', { code: spare });
  assert.equal((await signedInBy(world, end)).amr, 'pwd otp mfa');
  const again = await openFactor(world, person);
  const page = await again.agent.follow(`/interaction/${again.uid}/second-factor/recovery-code`);
  const refused = await again.agent.submit(page, '/second-factor/recovery-code', { code: spare });
  assert.equal(refused.response.status, 401);
  assert.match(refused.html, /You have 2 tries left/);
});

test('three wrong answers end it, with a way to start again in the same sign-in (rows 18, 19, 32)', async () => {
  const someone = await addProtected(world);
  const opened = await openFactor(world, someone);
  let { page } = opened;
  for (const left of ['You have 2 tries left', 'You have 1 try left']) {
    page = await opened.agent.submit(page, '/second-factor/app', { code: wrong(someone.code()) });
    assert.equal(page.response.status, 401);
    assert.ok(page.html.includes(left), left);
  }
  const last = page;
  page = await opened.agent.submit(page, '/second-factor/app', { code: wrong(someone.code()) });
  assert.equal(heading(page), 'That was wrong too often');
  assert.ok((await eventsOf(world, someone.id)).includes('identity.user.mfa_challenge_failed.v1'));
  // The back button, and the right code: too late.
  const late = await opened.agent.submit(last, '/second-factor/app', { code: someone.code() });
  assert.ok(findForm(late, '/sign-in'));
  const href = /<a class="button" href="([^"]+)">Start again/.exec(page.html)?.[1];
  assert.equal(href, `/interaction/${opened.uid}`);
  const restarted = await opened.agent.follow(href);
  const due = await opened.agent.submit(restarted, '/sign-in', {
    identifier: someone.email,
    password: someone.password,
  });
  const end = await opened.agent.submit(due, '/second-factor/app', { code: someone.code() });
  assert.equal((await signedInBy(world, end)).userId, someone.id);
});

test('after five minutes the challenge is over, whatever is asked, and the sign-in is not (rows 22, 32)', async () => {
  const opened = await openFactor(world, person);
  world.clock.advance(5 * MINUTE + 1_000);
  const gone = await opened.agent.follow(`/interaction/${opened.uid}/second-factor/app`);
  assert.equal(heading(gone), 'This took too long');
  assert.equal(gone.response.status, 422);
  const again = await opened.agent.follow(`/interaction/${opened.uid}/second-factor`);
  const due = await opened.agent.submit(again, '/sign-in', {
    identifier: person.email,
    password: person.password,
  });
  const end = await opened.agent.submit(due, '/second-factor/app', { code: person.code() });
  assert.equal((await signedInBy(world, end)).userId, person.id);
});

test('empty, stale and foreign forms are no answers (rows 21, 34; CVE-2026-49443, ASVS 3.5.1)', async () => {
  const opened = await openFactor(world, person);
  const { action, fields } = findForm(opened.page, '/second-factor/app');
  for (const code of ['', '   ']) {
    const page = await postTo(opened, action.pathname, { ...fields, code });
    assert.equal(page.response.status, 400);
    assert.match(page.html, /Enter a code/);
  }
  const { csrf: _, ...without } = fields;
  for (const form of [without, { ...fields, csrf: 'x' }]) {
    const page = await postTo(opened, action.pathname, { ...form, code: person.code() });
    assert.equal(page.response.status, 403);
  }
  // A second tab has begun again: what the first one holds answers nothing.
  const second = await opened.agent.follow(`/interaction/${opened.uid}/sign-in`);
  await enterPassword({ agent: opened.agent, page: second }, person);
  const stale = await postTo(opened, action.pathname, { ...fields, code: wrong(person.code()) });
  assert.equal(stale.response.status, 200);
  assert.equal(heading(stale), TITLE);
  const page = await opened.agent.submit(stale, '/second-factor/app', {
    code: wrong(person.code()),
  });
  assert.match(page.html, /You have 2 tries left/);
  // Somebody else's browser.
  const stranger = await newBrowser(world).follow(action.pathname);
  assert.equal(stranger.response.status, 400);
  assert.match(stranger.html, /Start again/);
});

test('pages of later steps lead to the step that is due (row 33; CVE-2026-49443, ASVS 2.3.1)', async () => {
  const paths = [
    'second-factor',
    ...['passkey', 'app', 'recovery-code', 'sms', 'email'].map((way) => `second-factor/${way}`),
    ...['set-up', 'set-up/app', 'set-up/passkey', 'recovery-codes'],
  ];
  const posts = [
    ...paths.filter((path) => path !== 'second-factor' && path !== 'set-up'),
    ...['second-factor/passkey/options', 'second-factor/sms/send', 'second-factor/email/send'],
    ...['set-up/passkey/options', 'set-up/later', 'recovery-codes/file'],
  ];
  const opened = await openSignIn(world);
  const { csrf = '' } = findForm(opened.page, '/sign-in').fields;
  const base = `/interaction/${opened.uid}`;
  for (const path of paths) {
    assert.ok(findForm(await opened.agent.follow(`${base}/${path}`), '/sign-in'), path);
  }
  for (const path of posts) {
    const form = { csrf, challenge: '', code: '123456', response: '{}', enrolment: '' };
    assert.ok(findForm(await postTo(opened, `${base}/${path}`, form), '/sign-in'), path);
  }
  // With the password right, what the challenge does not take leads to what it takes.
  const page = await enterPassword(opened, person);
  const { fields } = findForm(page, '/second-factor/app');
  for (const path of paths.filter((one) => !/app|recovery-code$/.test(one))) {
    const shown = await opened.agent.follow(`${base}/${path}`);
    assert.ok(path === 'recovery-codes' || heading(shown) === TITLE, path);
    assert.equal(codeIn(shown), undefined);
  }
  for (const path of posts.filter((one) => !/app|recovery-code$/.test(one))) {
    const form = { ...fields, code: '123456', response: '{}', enrolment: '' };
    const shown = await postTo(opened, `${base}/${path}`, form);
    assert.equal(codeIn(shown), undefined, path);
    assert.equal(shown.response.status, 200, path);
  }
  await assertNobody(world, opened);
});

test('somebody else can sign in instead, and cancelling leads back (rows 23, 24)', async () => {
  const opened = await openFactor(world, person);
  const other = await opened.agent.submit(opened.page, '/second-factor/leave', {});
  assert.equal(stepOf(other), '/sign-in');
  const end = await enterPassword({ ...opened, page: other }, bare);
  assert.equal((await signedInBy(world, end)).userId, bare.id);
  const again = await openFactor(world, person);
  const back = await again.agent.submit(again.page, '/abort', {});
  assert.equal(back.url.searchParams.get('error'), 'access_denied');
});

test('the challenge of one person is not met by another (CVE-2025-3910)', async () => {
  const other = await addProtected(world);
  const opened = await openFactor(world, person);
  const page = await opened.agent.submit(opened.page, '/second-factor/app', { code: other.code() });
  assert.equal(page.response.status, 401);
  await assertNobody(world, opened);
});

test('of ten answers at once one signs in, and the others do no harm (ASVS 6.5.1)', async () => {
  const opened = await openFactor(world, person);
  const { action, fields } = findForm(opened.page, '/second-factor/app');
  const body = { ...fields, code: person.code() };
  const answers = await Promise.all(
    Array.from({ length: 10 }, () =>
      opened.agent.fetch(action, { method: 'POST', body: new URLSearchParams(body) }),
    ),
  );
  const resumed = answers.filter((answer) =>
    answer.headers.get('location')?.includes(`/authorize/${opened.uid}`),
  );
  assert.equal(resumed.length, 1);
  const end = await opened.agent.follow(resumed[0]?.headers.get('location') ?? '');
  assert.equal((await signedInBy(world, end)).userId, person.id);
});

test('a browser is remembered where the box is ticked and the tenant allows it (row 9)', async () => {
  assert.doesNotMatch((await openFactor(world, person)).page.html, /name="remember"/);
  await setTenant(world, { mfaRememberDays: 30 });
  const agent = newBrowser(world);
  const opened = await openFactor(world, person, { agent });
  assert.match(opened.page.html, /name="remember"[\s\S]*30\sdays/);
  const end = await agent.submit(opened.page, '/second-factor/app', {
    code: person.code(),
    remember: 'yes',
  });
  assert.equal((await signedInBy(world, end)).amr, 'pwd otp mfa');
  const again = await openSignIn(world, { agent, parameters: { prompt: 'login' } });
  assert.equal((await signedInBy(world, await enterPassword(again, person))).amr, 'pwd');
  const elsewhere = await openFactor(world, person);
  assert.equal(stepOf(elsewhere.page), '/second-factor');
  await setTenant(world, { mfaRememberDays: 0 });
});

test('a session that lacks only the second factor is asked for that alone (rows 3, 16, 23; RFC 9470)', async () => {
  await setTenant(world, { mfaRememberDays: 30 });
  const agent = newBrowser(world);
  const opened = await openFactor(world, person, { agent });
  await agent.submit(opened.page, '/second-factor/app', { code: person.code(), remember: 'yes' });
  const lower = await openSignIn(world, { agent, parameters: { prompt: 'login' } });
  await enterPassword(lower, person);
  const parameters = { acr_values: 'urn:gatehouse:acr:2fa' };
  const asked = await openSignIn(world, { agent, parameters });
  assert.equal(stepOf(asked.page), '/second-factor');
  assert.match(asked.page.html, /asks for a second step before it goes on/);
  // Not skipped by the way back, nor by the address that would go on.
  const resumed = await agent.follow(`/authorize/${asked.uid}`);
  assert.equal(codeIn(resumed), undefined);
  assert.equal(stepOf(resumed), '/second-factor');
  const other = await agent.submit(resumed, '/second-factor/leave', {});
  assert.equal(stepOf(other), '/sign-in');
  const back = await agent.follow(other.url.pathname.replace('/sign-in', ''));
  assert.equal(stepOf(back), '/');
  const again = await openSignIn(world, { agent, parameters });
  const end = await agent.submit(again.page, '/second-factor/app', { code: person.code() });
  assert.equal((await signedInBy(world, end)).amr, 'pwd otp mfa');
  await setTenant(world, { mfaRememberDays: 0 });
});

test('a device is let in by the same sign-in, with the second factor (the other doors)', async () => {
  const kiosk = await seedDeviceClient(world);
  const { user_code, device_code } = await startDevice(world.url, kiosk);
  const agent = newBrowser(world);
  const signIn = await answerDevice(agent, user_code, 'confirm');
  const page = await enterPassword({ agent, page: signIn }, person);
  assert.equal(stepOf(page), '/second-factor');
  const { body } = await pollDevice(world.url, kiosk, device_code);
  assert.notEqual(body.error, undefined);
  assert.equal(body.access_token, undefined);
  const end = await agent.submit(page, '/second-factor/app', { code: person.code() });
  assert.equal(heading(end), 'Your device is connected');
});
