import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { startConsumers } from '../../src/jobs.ts';
import {
  checkAccessibility,
  checkFits,
  checkHtml,
  createBrowserTests,
  press,
  screenshot,
  textOf,
} from '../helpers/browser.ts';
import { createMailbox } from '../helpers/mailbox.ts';
import { begin, createStage, signedInAs, submitSignIn } from './stage.ts';

const test = await createBrowserTests();
const mailbox = await createMailbox();
const stage = await createStage({ settings: { SMTP_URL: mailbox.url } });
const { deps, tenantId } = stage;
startConsumers(deps);
await deps.tenants.updateSettings(tenantId, { selfRegistration: true, emailCodeSignIn: true });
const application = await stage.startApplication();

const NAME = 'Nguyễn Thị Minh Khuê Wolfeschlegelsteinhausenbergerdorff';
const PASSWORD = 'violet harbour tandem 41';
const CHANGED = 'another harbour, quite new';

/** Every size in every scheme; pictures are kept of a phone by day and a desk at night. */
const VIEWS = [
  { kind: '-phone', width: 320, colorScheme: 'light' },
  { kind: null, width: 320, colorScheme: 'dark' },
  { kind: null, width: 1280, colorScheme: 'light' },
  { kind: '-dark', width: 1280, colorScheme: 'dark' },
] as const;

/** Looks at a page as it is served, and keeps pictures of it. */
async function look(page: Page, name: string): Promise<void> {
  await checkHtml(page);
  for (const { kind, width, colorScheme } of VIEWS) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 800 });
    await checkFits(page);
    await checkAccessibility(page);
    if (kind !== null) await screenshot(page, `${name}${kind}`);
  }
}

async function openLink(page: Page, email: string): Promise<void> {
  const { text } = await mailbox.take(email);
  const link = /^\s*(http\S+token=\S+)/m.exec(text)?.[1];
  assert.ok(link, text);
  await page.goto(link, { waitUntil: 'load' });
}

/** From the first visit to the end of every session. */
async function live(page: Page, email: string, see: (name: string) => Promise<void>) {
  await begin(page, application);
  await press(page, 'Create an account');
  await see('sign-up');
  await page.locator('#name').fill(NAME);
  await page.locator('#identifier').fill(email);
  await page.locator('#password').fill(PASSWORD);
  await press(page, 'Create the account');
  await see('check-mail');
  await deps.outbox.drain();
  await openLink(page, email);
  await see('confirm-email');
  await press(page, 'Yes, it’s my address');
  await see('email-verified');
  await press(page, 'Go on signing in');
  assert.equal(await page.locator('#identifier').inputValue(), email);
  await press(page, 'Forgot your password?');
  await see('forgot');
  await page.locator('#identifier').fill(email);
  await press(page, 'Send a code');
  await see('reset');
  await openLink(page, email);
  await page.locator('#password').fill(CHANGED);
  await press(page, 'Save the new password');
  await see('password-reset');
  await press(page, 'Go on signing in');
  await submitSignIn(page, email, CHANGED);
  assert.deepEqual(await signedInAs(page), [NAME]);
  await page.goto(`${stage.url}/logout/everywhere`, { waitUntil: 'load' });
  await see('everywhere');
  await press(page, 'Sign out everywhere');
  assert.match(await textOf(page), /You’re signed out everywhere/);
}

test('a person signs up, confirms, recovers and signs out everywhere; each page is accessible and fits', async (open) => {
  const page = await open({ javaScript: true });
  await live(page, 'khue@lotus.example', (name) => look(page, name));
});

test('the same goes without JavaScript, on a phone', async (open) => {
  const page = await open({ viewport: { width: 320, height: 640 }, colourScheme: 'dark' });
  await live(page, 'khue.phone@lotus.example', () => checkFits(page));
});
