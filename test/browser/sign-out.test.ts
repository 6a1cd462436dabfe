import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { createBrowserTests, press, textOf } from '../helpers/browser.ts';
import { begin, createStage, signedInAs, submitSignIn } from './stage.ts';

const test = await createBrowserTests();
const stage = await createStage();
const application = await stage.startApplication();
const { person } = stage;

async function signIn(page: Page): Promise<void> {
  await begin(page, application);
  await submitSignIn(page, person.email, person.password);
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
}

const sessionCookie = async (page: Page) =>
  (await page.context().cookies(stage.url)).find(({ name }) => name === 'gh_session');

test('signing out asks, ends the session and returns to the application (ASVS 7.4.1)', async (open) => {
  const page = await open();
  await signIn(page);
  const before = await sessionCookie(page);
  assert.ok(before);
  await press(page, 'Sign out');
  const text = await textOf(page);
  assert.match(text, /Sign out of Lotus Health\?/);
  assert.match(text, /Lotus Portal asked to end your session/);
  assert.match(text, /Trần Văn Bình/);
  await press(page, 'Sign out');
  assert.equal(new URL(page.url()).origin, application.url);
  assert.match(await textOf(page), /You are signed out of this application/);
  assert.equal(await sessionCookie(page), undefined);

  await press(page, 'Sign in');
  assert.equal(await page.locator('#password').count(), 1, 'the next sign-in asks');
  await page.context().addCookies([before]);
  await begin(page, application);
  assert.equal(await page.locator('#password').count(), 1, 'the old cookie opens nothing');
});

test('after signing out at one application the other cannot refresh', async (open) => {
  const page = await open();
  await signIn(page);
  const other = await stage.startApplication({ name: 'Lotus Diary' }, {}, 'localhost');
  await begin(page, other);
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
  await page.goto(application.url);
  await press(page, 'Sign out');
  await press(page, 'Sign out');
  await page.goto(other.url);
  await press(page, 'Refresh tokens');
  assert.match(await textOf(page), /This sign-in is over/);
});

test('staying signed in leaves that application only', async (open) => {
  const page = await open();
  await signIn(page);
  await press(page, 'Sign out');
  await press(page, 'Stay signed in');
  assert.match(await textOf(page), /You are signed out of this application/);
  await press(page, 'Sign in');
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
});

test('signing out without an application ends on a page that says so', async (open) => {
  const page = await open();
  await signIn(page);
  await page.goto(`${stage.url}/`);
  await press(page, 'Sign out');
  assert.equal(page.url(), `${stage.url}/logout`);
  await press(page, 'Sign out');
  assert.match(await textOf(page), /You’re signed out/);
  assert.equal(await sessionCookie(page), undefined);
  await press(page, 'Go to the front page');
  assert.match(await textOf(page), /You’re not signed in/);
});

for (const javaScript of [true, false]) {
  test(`nobody can sign out too, ${javaScript ? 'with' : 'without'} scripts`, async (open) => {
    const page = await open({ javaScript });
    await page.goto(`${stage.url}/logout`);
    if (javaScript) await page.waitForURL(`${stage.url}/logout/success`);
    else await press(page, 'Continue');
    assert.match(await textOf(page), /You’re signed out/);
  });
}

test('whoever stays signed in is never told the contrary', async (open) => {
  const page = await open();
  await signIn(page);
  for (const query of ['', `?client_id=${application.first.clientId}`]) {
    await page.goto(`${stage.url}/logout${query}`);
    await press(page, 'Stay signed in');
    const text = await textOf(page);
    assert.match(text, /You’re signed in/);
    assert.match(text, /Trần Văn Bình/);
  }
});

test('a form for signing out from elsewhere changes nothing (ASVS 3.5.1)', async (open) => {
  const page = await open();
  await signIn(page);
  const { request } = page.context();
  const form = { logout: 'yes', xsrf: 'a'.repeat(48) };
  await page.goto(`${stage.url}/logout`);
  for (const body of [form, { logout: 'yes' }]) {
    const response = await request.post(`${stage.url}/logout/confirm`, {
      form: body,
      headers: { accept: 'text/html' },
      maxRedirects: 0,
    });
    assert.equal(response.status(), 400);
    assert.match(await response.text(), /<h1>/);
  }
  await page.goto(`${stage.url}/`);
  assert.match(await textOf(page), /You’re signed in/);
});

test('an address to return to that is not registered is refused (ASVS 3.7.2)', async (open) => {
  const page = await open();
  await signIn(page);
  const query = new URLSearchParams({
    client_id: application.first.clientId,
    post_logout_redirect_uri: 'https://evil.example/',
  });
  const response = await page.goto(`${stage.url}/logout?${query}`);
  assert.equal(response?.status(), 400);
  assert.ok(page.url().startsWith(stage.url));
  assert.ok(await sessionCookie(page));
});
