import assert from 'node:assert/strict';
import { Secret, TOTP } from 'otpauth';
import type { Page } from 'playwright-core';
import { CHEAP_HASHES } from '../flows/auth-support.ts';
import {
  checkAccessibility,
  checkFits,
  checkHtml,
  createBrowserTests,
  leave,
  press,
  screenshot,
} from '../helpers/browser.ts';
import { addAuthenticator } from '../helpers/virtual-authenticator.ts';
import {
  type Application,
  begin,
  beginWith,
  createStage,
  signedInAs,
  submitSignIn,
} from './stage.ts';

/** The whole way of a person through second factors, as an application begins it. */
const test = await createBrowserTests();
const stage = await createStage({ settings: CHEAP_HASHES });
const application = await stage.startApplication();
const { deps, tenantId } = stage;
await deps.tenants.updateSettings(tenantId, {
  mfaRequired: true,
  mfaRememberDays: 30,
  newSignInNotice: false,
});
const PASSWORD = 'violet harbour tandem 41';
const NAME = 'Lê Thị Thu Hà';

async function addPerson(email: string): Promise<string> {
  await deps.users.create({ tenantId, email, name: NAME, emailVerified: true }, PASSWORD);
  return email;
}

/** Begins in a browser that nobody knows, and gives the password. */
async function enter(page: Page, from: Application, email: string): Promise<void> {
  await page.context().clearCookies();
  await begin(page, from);
  await submitSignIn(page, email, PASSWORD);
}

const choose = (page: Page, text: string) =>
  leave(page, () => page.locator('.method').filter({ hasText: text }).click());

async function type(page: Page, code: string): Promise<void> {
  await page.locator('#code').fill(code);
  await leave(page, () => page.locator('#code').press('Enter'));
}

/** The code that an app shows; `ahead` steps from now, as each counts once. */
const codeOf = (key: string, ahead = 0): string =>
  new TOTP({ secret: Secret.fromBase32(key) }).generate({ timestamp: Date.now() + ahead * 30_000 });

/** Sets an app up where one is demanded. @returns its key, and the recovery codes */
async function setUpApp(page: Page, look: () => Promise<void>) {
  await choose(page, 'authenticator app');
  await look();
  await page.locator('summary').click();
  await look();
  const key = ((await page.locator('.secret').textContent()) ?? '').replaceAll(/\s/g, '');
  await type(page, codeOf(key, -1));
  await look();
  return { key, codes: await page.locator('.codes code').allTextContents() };
}

/** Looks at a page that is met nowhere else. */
async function see(page: Page, name: string): Promise<void> {
  await checkHtml(page);
  for (const [suffix, width] of [
    ['', 1280],
    ['-phone', 390],
    [null, 320],
  ] as const) {
    await page.setViewportSize({ width, height: 800 });
    await checkFits(page);
    await checkAccessibility(page);
    if (suffix !== null) await screenshot(page, `${name}${suffix}`);
  }
}

test('a second factor is set up, asked for and stood in for by a recovery code, without JavaScript, on a phone', async (open) => {
  const page = await open({ viewport: { width: 320, height: 640 } });
  const look = () => checkFits(page);
  const email = await addPerson('khong.script@lotus.example');
  await enter(page, application, email);
  await look();
  const { key, codes } = await setUpApp(page, look);
  assert.equal(new Set(codes).size, 10);
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download as a text file' }).click(),
  ]);
  assert.equal(file.suggestedFilename(), 'recovery-codes.txt');
  await press(page, 'I’ve saved them');
  assert.deepEqual(await signedInAs(page), [NAME]);

  await enter(page, application, email);
  await look();
  await type(page, codeOf(key));
  assert.deepEqual(await signedInAs(page), [NAME]);

  await enter(page, application, email);
  await choose(page, 'recovery code');
  await look();
  await type(page, codes[0] ?? '');
  assert.deepEqual(await signedInAs(page), [NAME]);
});

test('three wrong codes end the challenge, and the link begins again; later only the second factor is asked for', async (open) => {
  const page = await open({ javaScript: true });
  const email = await addPerson('sai.ma@lotus.example');
  await enter(page, application, email);
  const { key } = await setUpApp(page, () => checkFits(page));
  await press(page, 'I’ve saved them');

  await enter(page, application, email);
  for (const code of ['000000', '000001', '000002']) await type(page, code);
  await see(page, 'second-factor-over');
  await press(page, 'Start again');
  await submitSignIn(page, email, PASSWORD);
  await page.locator('[name=remember]').check();
  await type(page, codeOf(key));
  assert.deepEqual(await signedInAs(page), [NAME]);

  // By the remembered browser alone; then an application wants more.
  await beginWith(page, application, { prompt: 'login' });
  await submitSignIn(page, email, PASSWORD);
  await beginWith(page, application, { acr_values: 'urn:gatehouse:acr:2fa', ui_locales: 'vi' });
  await see(page, 'second-factor-step-up');
  await type(page, codeOf(key, 1));
  assert.deepEqual(await signedInAs(page), [NAME]);
});

test('a passkey is made within the sign-in, is the second factor of the next and the only one of the last', async (open) => {
  const page = await open({ javaScript: true });
  const email = await addPerson('khoa@lotus.example');
  const authenticator = await addAuthenticator(page);
  await enter(page, application, email);
  await choose(page, 'Make a passkey');
  await press(page, 'Make the passkey');
  await press(page, 'I’ve saved them');
  assert.deepEqual(await signedInAs(page), [NAME]);

  const [kept] = await authenticator.credentials();
  assert.ok(kept);
  // Away while a name is typed: it would answer by itself where passkeys are offered.
  await authenticator.remove();
  await enter(page, application, email);
  const second = await addAuthenticator(page);
  await second.add(kept);
  await press(page, 'Use my passkey');
  assert.deepEqual(await signedInAs(page), [NAME]);

  const [counted] = await second.credentials();
  assert.ok(counted);
  await second.remove();
  await page.context().clearCookies();
  // Offered in the field of the name, it is taken as soon as the page is there.
  await (await addAuthenticator(page)).add(counted);
  await begin(page, application);
  await page.locator('.person h2').waitFor();
  assert.deepEqual(await signedInAs(page), [NAME]);
});
