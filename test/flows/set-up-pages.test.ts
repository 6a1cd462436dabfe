import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertNobody,
  codeIn,
  findForm,
  heading,
  newBrowser,
  openFactor,
  postTo,
  type Shown,
  signedInBy,
  stepOf,
} from './factor-pages-support.ts';
import {
  addPerson,
  createMfaWorld,
  MINUTE,
  SECOND,
  setTenant,
  showCode,
  wrong,
} from './mfa-support.ts';

const world = await createMfaWorld();
await setTenant(world, { mfaRequired: true });
const DAY = 24 * 60 * MINUTE;

const keyOn = ({ html }: Pick<Shown, 'html'>): string =>
  (/<code class="secret"><bdi dir="ltr">([A-Z2-7 ]+)</.exec(html)?.[1] ?? '').replaceAll(' ', '');
const codeFor = (page: Shown): string => showCode(keyOn(page), world.clock.now());
const codesOn = ({ html }: Pick<Shown, 'html'>): string[] =>
  Array.from(html.matchAll(/<li><code><bdi dir="ltr">([^<]+)</g), ([, code]) => code ?? '');

/** A person without a factor, at the page with the QR code. */
async function openApp() {
  const person = await addPerson(world);
  const opened = await openFactor(world, person);
  const base = `/interaction/${opened.uid}`;
  const page = await opened.agent.follow(`${base}/set-up/app`);
  return { ...opened, person, base, page };
}

test('who has no factor sets one up within the sign-in, without a script (rows 8, 25, 27, 30, 31)', async () => {
  const opened = await openFactor(world, await addPerson(world));
  const { agent, uid } = opened;
  assert.equal(stepOf(opened.page), '/set-up');
  assert.doesNotMatch(opened.page.html, /set-up\/later/);
  await assertNobody(world, opened);
  const page = await agent.follow(`/interaction/${uid}/set-up/app`);
  assert.match(page.html, /<svg viewBox="0 0 \d+ \d+" role="img" aria-label="QR code/);
  assert.equal(keyOn(page).length, 32);
  const codes = await agent.submit(page, '/set-up/app', { code: codeFor(page) });
  assert.equal(stepOf(codes), '/recovery-codes');
  const shown = codesOn(codes);
  assert.equal(new Set(shown).size, 10);
  const { action, fields } = findForm(codes, '/recovery-codes/file');
  const file = await agent.fetch(action, { method: 'POST', body: new URLSearchParams(fields) });
  assert.match(file.headers.get('content-disposition') ?? '', /^attachment; filename="[\w.-]+"$/);
  assert.equal(file.headers.get('content-type'), 'text/plain; charset=utf-8');
  assert.equal(file.headers.get('cache-control'), 'no-store');
  const text = await file.text();
  for (const code of shown) assert.ok(text.includes(`\r\n${code}\r\n`), code);
  // Asked for again, in another language too.
  const again = await agent.follow(`/interaction/${uid}`);
  assert.deepEqual(codesOn(again), shown);
  const end = await agent.submit(codes, '/recovery-codes', {});
  assert.equal((await signedInBy(world, end)).amr, 'pwd otp mfa');
  const late = await agent.follow(`/interaction/${uid}/recovery-codes`);
  assert.equal(codesOn(late).length, 0);
});

test('the codes are for this browser, and Redis does not hold them in the clear (ASVS 6.5.2)', async () => {
  const { agent, page, uid, base } = await openApp();
  const codes = await agent.submit(page, '/set-up/app', { code: codeFor(page) });
  const [first = ''] = codesOn(codes);
  const stored = JSON.stringify(await world.deps.redis.hgetall(`journeys:${uid}`));
  assert.match(stored, /"codes/);
  assert.doesNotMatch(stored, new RegExp(first));
  const stranger = await newBrowser(world).follow(`${base}/recovery-codes`);
  assert.equal(stranger.response.status, 400);
  for (const suffix of ['/recovery-codes', '/recovery-codes/file']) {
    const refused = await postTo({ agent }, `${base}${suffix}`, { csrf: 'x' });
    assert.equal(refused.response.status, 403, suffix);
  }
});

test('a wrong code shows the same key again, and the page can be asked for twice (rows 26, 33)', async () => {
  const { agent, page, base } = await openApp();
  const reloaded = await agent.follow(`${base}/set-up/app`);
  assert.equal(keyOn(reloaded), keyOn(page));
  for (const code of ['', wrong(codeFor(page)), 'abcdef']) {
    const refused = await agent.submit(page, '/set-up/app', { code });
    assert.equal(Math.floor(refused.response.status / 100), 4, `${code} ${heading(refused)}`);
    assert.equal(keyOn(refused), keyOn(page));
    assert.match(refused.html, /id="summary" role="alert"/);
  }
  const end = await agent.submit(page, '/set-up/app', { code: codeFor(page) });
  assert.equal(stepOf(end), '/recovery-codes');
});

test('two tabs set up one app, and the one that is late does no harm (rows 22, 29)', async () => {
  const { agent, page, base } = await openApp();
  const { action, fields } = findForm(page, '/set-up/app');
  const body = { ...fields, code: codeFor(page) };
  const answers = await Promise.all([1, 2, 3].map(() => postTo({ agent }, action.pathname, body)));
  assert.equal(answers.filter((answer) => codesOn(answer).length === 10).length >= 1, true);
  const codes = await agent.follow(`${base}/recovery-codes`);
  const end = await agent.submit(codes, '/recovery-codes', {});
  assert.ok(codeIn(end));
});

test('an action that enrols is not repeated by what is left of it (CVE-2026-37982)', async () => {
  const { agent, page, person, request } = await openApp();
  const { action, fields } = findForm(page, '/set-up/app');
  await agent.submit(page, '/set-up/app', { code: codeFor(page) });
  world.clock.advance(30 * SECOND);
  const again = await postTo({ agent }, action.pathname, { ...fields, code: codeFor(page) });
  assert.equal(codeIn(again), undefined);
  const user = { id: person.id, tenantId: person.tenantId };
  assert.equal((await world.deps.totp.list(user)).length, 1);
  assert.ok(request);
});

test('who has set one up meanwhile shows that one instead (row 29; CVE-2025-3910)', async () => {
  const one = await openApp();
  const two = await openFactor(world, one.person);
  const there = await two.agent.follow(`/interaction/${two.uid}/set-up/app`);
  await two.agent.submit(there, '/set-up/app', { code: codeFor(there) });
  const late = await one.agent.submit(one.page, '/set-up/app', { code: codeFor(one.page) });
  assert.equal(heading(late), 'This took too long');
  await assertNobody(world, one);
});

test('within the days of grace it can be put off, and then no more (row 28)', async () => {
  await setTenant(world, { mfaGraceDays: 7 });
  const person = await addPerson(world);
  const opened = await openFactor(world, person);
  assert.match(opened.page.html, /You can put it off until/);
  const end = await opened.agent.submit(opened.page, '/set-up/later', {});
  assert.equal((await signedInBy(world, end)).amr, 'pwd');
  // Days, by moving the first time that it was asked for: interactions live by this clock.
  await world.deps.postgres
    .knex('users')
    .where({ id: person.id })
    .update({ second_factor_asked_at: new Date(world.clock.now() - 8 * DAY) });
  const late = await openFactor(world, person);
  assert.equal(stepOf(late.page), '/set-up');
  const { fields } = findForm(late.page, '/second-factor/leave');
  const challenge = /name="challenge" value="([^"]+)"/.exec(
    (await late.agent.follow(`/interaction/${late.uid}/set-up/app`)).html,
  )?.[1];
  const refused = await postTo(late, `/interaction/${late.uid}/set-up/later`, {
    ...fields,
    challenge: challenge ?? '',
  });
  assert.equal(stepOf(refused), '/set-up');
  await assertNobody(world, late);
  await setTenant(world, { mfaGraceDays: 0 });
});
