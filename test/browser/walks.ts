import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { press, textOf } from '../helpers/browser.ts';
import { manageAccount, readLongAccount } from './account-walks.ts';
import {
  authorizeUrl,
  development,
  ISSUER,
  LONG_NAME,
  mailbox,
  type Shot,
  stage,
  visit,
} from './scenery.ts';
import { submitSignIn } from './stage.ts';

const PASSWORD = 'violet harbour tandem 41';
const CHANGED = 'another harbour, quite new';

/**
 * Looks at the page that is on the screen.
 * @param name of its pictures
 * @param title what its title begins with
 * @param shots pictures to keep besides the light one of a desktop; null for none at all
 */
export type See = (name: string, title: string, shots?: Shot[] | null) => Promise<void>;

export type Walk = (page: Page, see: See) => Promise<void>;

async function openLink(page: Page, email: string): Promise<void> {
  const { text } = await mailbox.take(email);
  const link = /^\s*(http\S+token=\S+)/m.exec(text)?.[1];
  assert.ok(link, text);
  const { pathname, search } = new URL(link);
  await visit(page, pathname + search);
}

/** The life of an account, from the first visit to the end of every session. */
export async function liveAccount(page: Page, email: string, see: See): Promise<void> {
  await visit(page, authorizeUrl('lotus'));
  await press(page, 'Create an account');
  await see('sign-up', 'Create an account – Lotus Health', ['dark', 'phone']);
  await page.locator('#name').fill(LONG_NAME);
  await page.locator('#identifier').fill(email);
  await page.locator('#password').fill(PASSWORD);
  await press(page, 'Create the account');
  await see('check-mail', 'Confirm your address', ['dark', 'phone']);
  await stage.deps.outbox.drain();
  await openLink(page, email);
  await see('confirm-email', 'Confirm your address', ['dark', 'phone']);
  await press(page, 'Yes, it’s my address');
  await see('email-verified', 'Your e-mail address is confirmed', ['dark', 'phone']);
  await press(page, 'Go on signing in');
  assert.equal(await page.locator('#identifier').inputValue(), email);
  await press(page, 'Forgot your password?');
  await see('forgot', 'Forgot your password?', ['dark', 'phone']);
  await page.locator('#identifier').fill(email);
  await press(page, 'Send a code');
  await see('reset', 'Enter your code', ['dark', 'phone']);
  await openLink(page, email);
  await page.locator('#password').fill(CHANGED);
  await press(page, 'Save the new password');
  await see('password-reset', 'Your password is changed', ['dark', 'phone']);
  await press(page, 'Go on signing in');
  await submitSignIn(page, email, CHANGED);
  assert.equal(new URL(page.url()).origin, ISSUER);
  await visit(page, '/logout/everywhere');
  await see('everywhere', 'Sign out everywhere', ['dark', 'phone']);
  await press(page, 'Sign out everywhere');
  assert.match(await textOf(page), /You’re signed out everywhere/);
}

/** What there is in development only. */
async function readMessages(page: Page, see: See): Promise<void> {
  const { url } = development;
  await page.goto(`${url}/dev/templates`, { waitUntil: 'load' });
  await see('dev-templates', '', null);
  await page.goto(`${url}/dev/templates/phone-auth/en`, { waitUntil: 'load' });
  await see('dev-message', '', null);
  await page.goto(`${url}/dev/inbox`, { waitUntil: 'load' });
  await see('dev-inbox', '', null);
}

/** Ways through several pages, each of which is looked at. */
export const walks: Record<string, Walk> = {
  'the life of an account': (page, see) => liveAccount(page, 'khue@lotus.example', see),
  'an account in the hands of its owner': (page, see) =>
    manageAccount(page, 'khue.desktop@sen-hong.example', see),
  'an account with long names, in Vietnamese': readLongAccount,
  'messages in development': readMessages,
};
