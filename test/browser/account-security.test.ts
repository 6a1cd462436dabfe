import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { Secret, TOTP } from 'otpauth';
import type { Page } from 'playwright-core';
import { CHEAP_HASHES } from '../flows/auth-support.ts';
import {
  checkAccessibility,
  checkFits,
  createBrowserTests,
  leave,
  press,
  textOf,
} from '../helpers/browser.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { addAuthenticator } from '../helpers/virtual-authenticator.ts';
import { createStage, submitSignIn } from './stage.ts';

/** Protecting an account, by its pages alone: what a person sees, types and presses. */

const test = await createBrowserTests();
const clock = createFakeClock();
const stage = await createStage({ settings: CHEAP_HASHES, overrides: { clock } });
const { url, deps, tenantId, person } = stage;
const SECURITY = '/account/security';
const PHONE = { width: 320, height: 640 };

async function createPerson(name: string) {
  const email = `${name}@lotus.example`;
  const facts = { tenantId, email, name: `Lê ${name}`, emailVerified: true };
  const { id } = await deps.users.create(facts, person.password);
  return { id, tenantId, email };
}

async function enter(page: Page, email: string, path = SECURITY): Promise<void> {
  await page.goto(`${url}${path}`, { waitUntil: 'load' });
  await submitSignIn(page, email, person.password);
  assert.equal(new URL(page.url()).pathname, path);
}

/** The code that an app shows half a minute from now: none that was used before. */
function nextCode(secret: string): string {
  clock.advance(30_000);
  const totp = new TOTP({ secret: Secret.fromBase32(secret.replaceAll(' ', '')) });
  return totp.generate({ timestamp: clock.now() });
}

/** What a screen reader calls the thing that has the focus: its label, or what it says. */
const FOCUSED =
  '(document.activeElement?.labels?.[0] ?? document.activeElement)?.textContent ?? ""';

const focused = async (page: Page): Promise<string> =>
  String(await page.evaluate(FOCUSED))
    .replace(/\s+/g, ' ')
    .trim();

/** Goes to a control by the Tab key. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let steps = 0; steps < 80; steps += 1) {
    await page.keyboard.press('Tab');
    if ((await focused(page)) === name) return;
  }
  assert.fail(`the Tab key does not lead to “${name}” on ${page.url()}`);
}

/** Goes to a control by the Tab key and presses Enter, which leads to another page. */
async function enterOn(page: Page, name: string): Promise<void> {
  await tabTo(page, name);
  await leave(page, () => page.keyboard.press('Enter'));
  await checkFits(page);
}

test('an app is added, asked for and removed by the keyboard alone, without JavaScript, on a phone (WCAG 2.1.1)', async (open) => {
  const { email, ...owner } = await createPerson('keys');
  const page = await open({ viewport: PHONE });
  await page.goto(`${url}${SECURITY}`);
  // Typed before the page has put the focus there, it would go nowhere.
  await page.locator('#identifier:focus').waitFor();
  await page.keyboard.type(email);
  await tabTo(page, 'Password');
  await page.keyboard.type(person.password);
  await leave(page, () => page.keyboard.press('Enter'));
  await enterOn(page, 'Add an app');
  await enterOn(page, 'Continue');
  await tabTo(page, 'Or type this key into the app');
  await page.keyboard.press('Enter');
  const secret = (await page.locator('.secret').textContent()) ?? '';
  await tabTo(page, 'Code');
  await page.keyboard.type(nextCode(secret));
  await leave(page, () => page.keyboard.press('Enter'));
  await checkFits(page);
  assert.match(await textOf(page), /Save your recovery codes/);
  assert.equal(await page.locator('.codes li').count(), 10);
  await enterOn(page, 'I have saved them');
  assert.match(await textOf(page), /Two-step sign-in is on/);

  // Whoever changes it proves both, this one too (ASVS 7.5.1).
  await enterOn(page, 'Remove Authenticator app');
  assert.match(await textOf(page), /Confirm that it’s you/);
  await page.locator('#code').focus();
  await page.keyboard.type(nextCode(secret));
  await leave(page, () => page.keyboard.press('Enter'));
  assert.match(await textOf(page), /Remove this app\?/);
  assert.match(await textOf(page), /two-step sign-in will be off/);
  await enterOn(page, 'Remove Authenticator app');
  assert.match(await textOf(page), /Two-step sign-in is off/);
  assert.deepEqual(await deps.authenticators.list({ ...owner, tenantId }), []);
});

test('a passkey is added with the authenticator of the device, and its recovery codes become a file', async (open) => {
  const { email, ...owner } = await createPerson('passkey');
  const page = await open({ javaScript: true, viewport: PHONE });
  await addAuthenticator(page, { isSynced: true });
  await enter(page, email);
  await press(page, 'Add a passkey');
  await checkAccessibility(page);
  await page.getByLabel('Name').fill('My phone');
  await press(page, 'Create passkey');
  await checkAccessibility(page);
  const shown = await page.locator('.codes code').allTextContents();
  assert.equal(shown.length, 10);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download as a text file' }).click(),
  ]);
  const saved = await readFile(await download.path(), 'utf8');
  for (const code of shown) assert.ok(saved.includes(code));
  assert.match(saved, /Lotus Health/);
  await press(page, 'I have saved them');
  const text = await textOf(page);
  assert.match(text, /My phone Synced/);
  assert.match(text, /You have one way to sign in with two steps/);

  // The same device has one already: the script says so, and nothing is lost.
  await press(page, 'Add a passkey');
  await press(page, 'Use my passkey');
  await page.getByRole('button', { name: 'Create passkey' }).click();
  await page.getByText('There’s a passkey for your account').waitFor();
  const [only, ...others] = await deps.authenticators.list({ ...owner, tenantId });
  assert.deepEqual([only?.name, only?.isBackedUp, others], ['My phone', true, []]);
});

test('without JavaScript the page says what passkeys need, and leads to an app', async (open) => {
  const { email } = await createPerson('plain');
  const page = await open();
  await enter(page, email, `${SECURITY}/passkeys/new`);
  assert.match(await textOf(page), /This browser can’t create passkeys here/);
  assert.equal(await page.getByRole('button', { name: 'Create passkey' }).isVisible(), false);
  await press(page, 'Add an app');
  assert.match(await textOf(page), /Add an authenticator app/);
});

test('a device is signed out from another, and is out with its next request (ASVS 7.5.2)', async (open) => {
  const { email } = await createPerson('devices');
  const [here, there, third] = [await open(), await open(), await open()];
  for (const page of [here, there, third]) await enter(page, email, '/account/sessions');
  await here.reload();
  assert.equal(await here.locator('.row').count(), 3);
  assert.match(await textOf(here), /Chrome on Linux This device/);
  await leave(here, () =>
    here.getByRole('link', { name: 'Sign out Chrome on Linux' }).first().click(),
  );
  assert.match(await textOf(here), /Sign this device out\?/);
  await press(here, 'Sign out Chrome on Linux');
  assert.match(await textOf(here), /The device is signed out/);
  assert.equal(await here.locator('.row').count(), 2);
  const asked = async (page: Page) => {
    await page.goto(`${url}/account`);
    return (await page.locator('#password').count()) === 1;
  };
  const out = [await asked(there), await asked(third)];
  assert.deepEqual(out.toSorted(), [false, true]);
  await here.reload();
  await press(here, 'Sign out all others');
  await press(here, 'Sign out all others');
  assert.match(await textOf(here), /1 other device is signed out/);
  assert.deepEqual([await asked(there), await asked(third)], [true, true]);
  assert.equal(await asked(here), false);
});
