import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { createBrowserTests, leave, press, textOf } from '../helpers/browser.ts';
import { begin, beginWith, createStage, signedInAs, submitSignIn } from './stage.ts';

const test = await createBrowserTests();
const stage = await createStage();
const application = await stage.startApplication();
const { person } = stage;

const summaryOf = (page: Page) => textOf(page, '.summary');

for (const scheme of ['email', 'username', 'phone'] as const) {
  test(`a person signs in with ${scheme} and password, without JavaScript`, async (open) => {
    const page = await open();
    await begin(page, application);
    await submitSignIn(page, person[scheme], person.password);
    assert.equal(page.url(), `${application.url}/`);
    assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
  });
}

test('a person signs in in a browser with JavaScript', async (open) => {
  const page = await open({ javaScript: true });
  await begin(page, application);
  await submitSignIn(page, ` ${person.email.toUpperCase()} `, person.password);
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
});

test('the keyboard alone signs in, and what has the focus can be seen', async (open) => {
  const page = await open();
  await begin(page, application);
  const focused = page.locator(':focus');
  const order: (string | null)[] = [];
  const note = async () => {
    const width = await page.evaluate<string>(
      'getComputedStyle(document.querySelector(":focus-visible")).outlineWidth',
    );
    assert.ok(Number.parseFloat(width) >= 2, `no outline after ${order}`);
    order.push((await focused.getAttribute('id')) ?? (await focused.textContent()));
  };
  await note();
  await page.keyboard.type(person.username);
  await page.keyboard.press('Tab');
  await note();
  await page.keyboard.type(person.password);
  for (const _ of ['Sign in', 'Cancel', 'English', 'Tiếng Việt']) {
    await page.keyboard.press('Tab');
    await note();
  }
  assert.deepEqual(order, ['identifier', 'password', 'Sign in', 'Cancel', 'English', 'Tiếng Việt']);
  for (const _ of order.slice(3)) await page.keyboard.press('Shift+Tab');
  await leave(page, () => page.keyboard.press('Enter'));
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
});

test('a wrong password and an unknown person read the same (ASVS 6.3.8)', async (open) => {
  const page = await open();
  await begin(page, application);
  const answers: unknown[] = [];
  for (const [identifier, password] of [
    [person.email, 'wrong'],
    ['nobody@lotus.example', person.password],
  ] as const) {
    const response = await submitSignIn(page, identifier, password);
    answers.push([response.status(), await page.title(), await summaryOf(page)]);
    assert.equal(await page.locator('#identifier').inputValue(), identifier);
    assert.equal(await page.locator('#password').inputValue(), '');
    assert.equal(await page.locator(':focus').getAttribute('id'), 'summary');
  }
  assert.deepEqual(answers[0], answers[1]);
  assert.match(String(answers[0]), /^401,Error: Sign in.*don’t match an account/s);
  await submitSignIn(page, person.email, person.password);
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
});

test('an empty field is pointed out, and nothing that was typed is lost', async (open) => {
  const page = await open();
  await begin(page, application);
  const response = await submitSignIn(page, person.email, '');
  assert.equal(response.status(), 400);
  assert.equal(await page.locator('#identifier').inputValue(), person.email);
  assert.equal(await page.locator('#password').getAttribute('aria-invalid'), 'true');
  assert.equal(await page.locator('#identifier').getAttribute('aria-invalid'), null);
  await page.locator('.summary a').click();
  assert.equal(await page.locator(':focus').getAttribute('id'), 'password');
  await page.keyboard.type(person.password);
  await leave(page, () => page.keyboard.press('Enter'));
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
});

test('the seventh failure from one address waits, whoever it tries (ASVS 6.3.1)', async (open) => {
  const address = '203.0.113.7';
  const page = await open({ address });
  await begin(page, application);
  for (let tries = 1; tries <= 6; tries += 1) {
    const response = await submitSignIn(page, `nobody${tries}`, 'wrong');
    assert.equal(response.status(), 401);
  }
  const response = await submitSignIn(page, person.email, person.password);
  assert.equal(response.status(), 429);
  const seconds = Number(response.headers()['retry-after']);
  assert.ok(seconds > 240 && seconds <= 300);
  assert.match(await summaryOf(page), /Wait 5 minutes, then try again/);

  const elsewhere = await open();
  await begin(elsewhere, application);
  await submitSignIn(elsewhere, person.email, person.password);
  assert.deepEqual(await signedInAs(elsewhere), ['Trần Văn Bình']);
});

test('cancelling leads back to the application with access_denied', async (open) => {
  const page = await open();
  await begin(page, application);
  await press(page, 'Cancel');
  assert.equal(new URL(page.url()).origin, application.url);
  assert.equal(new URL(page.url()).searchParams.get('error'), 'access_denied');
  assert.match(await textOf(page), /Sign-in was not completed/);
});

test('login_hint is filled in, and the password is what is left to type', async (open) => {
  const page = await open();
  await beginWith(page, application, { login_hint: '"><b>binh@lotus.example' });
  assert.equal(await page.locator('#identifier').inputValue(), '"><b>binh@lotus.example');
  await beginWith(page, application, { login_hint: person.email });
  assert.equal(await page.locator('#identifier').inputValue(), person.email);
  assert.equal(await page.locator(':focus').getAttribute('id'), 'password');
  await page.keyboard.type(person.password);
  await leave(page, () => page.keyboard.press('Enter'));
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
});

test('a client of the platform asks for the organisation where names are ambiguous', async (open) => {
  const { deps, platformId } = stage;
  const orchid = await deps.tenants.create({ slug: 'orchid', name: 'Orchid Clinic' });
  await deps.users.create(
    { tenantId: orchid.id, username: person.username, name: 'Another Bình' },
    'quite another password',
  );
  const console = await stage.startApplication({ tenantId: platformId, name: 'Console' });
  const page = await open();
  await begin(page, console);
  await submitSignIn(page, person.username, person.password);
  assert.match(await summaryOf(page), /don’t match an account/);
  await page.getByText('Sign in to a specific organisation').click();
  await page.locator('#organisation').fill('no-such');
  await submitSignIn(page, person.username, person.password);
  assert.match(await summaryOf(page), /don’t match an account/);
  assert.equal(await page.locator('#organisation').inputValue(), 'no-such');
  await page.locator('#organisation').fill('lotus');
  await submitSignIn(page, person.username, person.password);
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
});

test('a client of an organisation does not ask for one, nor let in another’s people', async (open) => {
  const { deps } = stage;
  const ivy = await deps.tenants.create({ slug: 'ivy', name: 'Ivy Hospital' });
  const theirs = await stage.startApplication({ tenantId: ivy.id, name: 'Ivy Portal' });
  const page = await open();
  await begin(page, theirs);
  assert.equal(await page.locator('#organisation').count(), 0);
  await submitSignIn(page, person.email, person.password);
  assert.match(await summaryOf(page), /don’t match an account/);
});
