import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { createBrowserTests, press, textOf } from '../helpers/browser.ts';
import { begin, beginWith, createStage, signedInAs, submitSignIn } from './stage.ts';

const test = await createBrowserTests();
const stage = await createStage();
const application = await stage.startApplication();
const { person } = stage;
const { redis } = stage.deps;

/** Deletes every interaction under way, as time would. */
async function expireInteractions(): Promise<void> {
  const prefix = stage.config.REDIS_PREFIX;
  const keys = await redis.keys(`${prefix}oidc:Interaction:*`);
  assert.ok(keys.length > 0);
  await redis.del(...keys.map((key) => key.slice(prefix.length)));
}

/** Whether the page carries the name and the colour of the application's organisation. */
async function isBranded(page: Page): Promise<boolean> {
  const sheet = page.locator(`link[href^="/assets/brand/${stage.tenantId}.css"]`);
  return /^Lotus Health /.test(await textOf(page)) && (await sheet.count()) === 1;
}

async function startAgain(page: Page): Promise<void> {
  assert.match(await textOf(page), /This sign-in has expired/);
  assert.ok(await isBranded(page));
  await press(page, 'Start again');
  await submitSignIn(page, person.email, person.password);
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
}

test('an expired sign-in, reloaded, offers a new start that works', async (open) => {
  const page = await open();
  await begin(page, application);
  await expireInteractions();
  const response = await page.reload();
  assert.equal(response?.status(), 400);
  await startAgain(page);
});

test('an expired sign-in, sent off, offers a new start that works', async (open) => {
  const page = await open();
  await begin(page, application);
  await expireInteractions();
  await submitSignIn(page, person.email, person.password);
  await startAgain(page);
});

test('a lost interaction cookie offers a new start that works', async (open) => {
  const page = await open();
  await begin(page, application);
  await page.context().clearCookies({ name: /^gh_/ });
  await submitSignIn(page, person.email, person.password);
  await startAgain(page);
});

test('a lost cookie between sign-in and application offers a new start that works', async (open) => {
  const page = await open();
  await begin(page, application);
  await page.context().clearCookies({ name: /^gh_resume/ });
  await submitSignIn(page, person.email, person.password);
  await startAgain(page);
});

test('a sign-in whose client is gone ends on a page of our own', async (open) => {
  const page = await open();
  const gone = await stage.startApplication({ name: 'Lotus Archive' }, {}, 'localhost');
  await begin(page, gone);
  assert.ok(await isBranded(page));
  await stage.deps.clients.delete(stage.tenantId, gone.first.clientId);
  await page.reload();
  assert.match(await textOf(page), /^Gatehouse This sign-in has expired/);
  assert.ok(!(await isBranded(page)));
});

test('a sign-in that nobody remembers leads to the front page', async (open) => {
  const page = await open();
  const response = await page.goto(`${stage.url}/interaction/never-was-there`);
  assert.equal(response?.status(), 400);
  await press(page, 'Go to the front page');
  assert.equal(page.url(), `${stage.url}/`);
});

test('the back button after signing in is harmless', async (open) => {
  const page = await open();
  await begin(page, application);
  const signInPage = page.url();
  await submitSignIn(page, person.email, person.password);
  await page.goto(signInPage);
  assert.match(await textOf(page), /This sign-in has expired/);
  await press(page, 'Start again');
  // The application's state was used: it says so, and its session stays as it was.
  assert.match(await textOf(page), /was not started here/);
  await press(page, 'Back to the start');
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
});

test('sending the form twice at once is harmless', async (open) => {
  const page = await open({ javaScript: true });
  await begin(page, application);
  await page.locator('#identifier').fill(person.email);
  await page.locator('#password').fill(person.password);
  const done = page.waitForURL(`${application.url}/`);
  await page.evaluate('for (const _ of [1, 2, 3]) document.forms[0].submit()');
  await done;
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
});

test('two tabs sign in independently of each other', async (open) => {
  const one = await open();
  const two = await one.context().newPage();
  await begin(one, application);
  await begin(two, application);
  await submitSignIn(two, person.email, person.password);
  assert.deepEqual(await signedInAs(two), ['Trần Văn Bình']);
  await submitSignIn(one, person.email, person.password);
  assert.deepEqual(await signedInAs(one), ['Trần Văn Bình']);
  await two.reload();
  assert.deepEqual(await signedInAs(two), ['Trần Văn Bình']);
});

test('a form that was too old offers the step again, and that works', async (open) => {
  const page = await open({ javaScript: true });
  await begin(page, application);
  await page.evaluate('document.querySelector("[name=csrf]").value = "old"');
  const response = await submitSignIn(page, person.email, person.password);
  assert.equal(response.status(), 403);
  assert.match(await textOf(page), /We couldn’t accept that form/);
  assert.ok(await isBranded(page));
  await press(page, 'Try again');
  await submitSignIn(page, person.email, person.password);
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
});

test('another person may sign in where somebody is signed in already', async (open) => {
  const page = await open({ javaScript: true });
  await begin(page, application);
  await submitSignIn(page, person.email, person.password);
  await beginWith(page, application, { prompt: 'login' });
  await submitSignIn(page, 'an@lotus.example', person.password);
  await page.waitForURL(`${application.url}/`, { timeout: 3_000 });
  assert.deepEqual(await signedInAs(page), ['Nguyễn Thị An']);
});

test('another person may sign in without scripts too, by one button more', async (open) => {
  const page = await open({ language: 'vi' });
  await begin(page, application);
  await submitSignIn(page, person.email, person.password);
  await beginWith(page, application, { prompt: 'login', ui_locales: 'vi' });
  await submitSignIn(page, 'an@lotus.example', person.password);
  assert.match(await textOf(page), /^Lotus Health Sắp xong rồi/);
  assert.ok(await isBranded(page));
  await press(page, 'Tiếp tục');
  assert.deepEqual(await signedInAs(page), ['Nguyễn Thị An']);
});
