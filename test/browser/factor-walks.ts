import assert from 'node:assert/strict';
import { Secret, TOTP } from 'otpauth';
import type { Page } from 'playwright-core';
import { createAuthenticator } from '../helpers/authenticator.ts';
import { leave, press } from '../helpers/browser.ts';
import { authorizeUrl, bank, deps, harbour, ISSUER, LONG_NAME, visit } from './scenery.ts';
import { submitSignIn } from './stage.ts';
import type { See, Walk } from './walks.ts';

const PASSWORD = 'violet harbour tandem 41';
const STEP = 30_000;

async function createPerson(tenantId: string, email: string, name: string) {
  const facts = { tenantId, email, name, emailVerified: true };
  const { id } = await deps.users.create(facts, PASSWORD);
  return { id, tenantId, email, name };
}

const codeOf = (secret: string, at: number): string =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: at });

/** An authenticator app whose last code was used half a minute ago, and recovery codes. */
async function addApp(person: Awaited<ReturnType<typeof createPerson>>) {
  const owner = { ...person, label: person.email };
  const app = await deps.totp.enroll(owner, { name: 'Phone', issuerName: bank.name });
  await deps.totp.confirm(person, app.id, codeOf(app.secret, Date.now() - STEP));
  await deps.recoveryCodes.generate(person);
  return app;
}

/** Signs in as far as the password goes. */
async function enter(
  page: Page,
  client: 'bank' | 'harbour',
  email: string,
  language = 'en',
): Promise<void> {
  await visit(page, authorizeUrl(client, { ui_locales: language }));
  await submitSignIn(page, email, PASSWORD);
}

const choose = (page: Page, text: string) =>
  leave(page, () => page.locator('.method').filter({ hasText: text }).click());

/** Types a code and sends it. */
async function type(page: Page, code: string): Promise<void> {
  await page.locator('#code').fill(code);
  await leave(page, () => page.locator('#code').press('Enter'));
}

/** Whoever has no second factor has to set one up within the sign-in. */
const setUp: Walk = async (page, see) => {
  const { email } = await createPerson(harbour.id, 'mai@cang-hp.example', 'Đặng Thị Mai');
  await enter(page, 'harbour', email);
  await see('set-up', 'Protect your account', ['dark', 'phone']);
  await choose(page, 'Make a passkey');
  await see('set-up-passkey', 'Make a passkey', ['phone-dark']);
  await press(page, 'Choose another way');
  await choose(page, 'Set up an authenticator app');
  await see('set-up-app', 'Set up an authenticator app', ['dark', 'phone', 'phone-dark']);
  await type(page, '000000');
  await see('set-up-app-error', 'Error: Set up an authenticator app', null);
  await page.locator('summary').click();
  const key = (await page.locator('.secret').textContent()) ?? '';
  await type(page, codeOf(key.replace(/\s/g, ''), Date.now()));
  await see('recovery-codes', 'Save your recovery codes', ['dark', 'phone', 'phone-dark']);
};

/** Moves the focus on until it is on what says this; fails where one cannot see where it is. */
async function tabTo(page: Page, text: string): Promise<void> {
  const focused = `(() => {
    const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
    // After the last control comes the page itself.
    const isPage = document.activeElement === document.body;
    const ring = isPage || (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2);
    return [isPage ? '' : document.activeElement.textContent, ring];
  })()`;
  for (let presses = 0; presses < 30; presses += 1) {
    await page.keyboard.press('Tab');
    const [said, ring] = await page.evaluate<[string, boolean]>(focused);
    assert.ok(ring, `the focus shows on “${said.trim()}”`);
    if (said.includes(text)) return;
  }
  const shown = (await page.locator('main').textContent()) ?? '';
  assert.fail(`nothing that says “${text}” can be reached on ${shown.replace(/\s+/g, ' ')}`);
}

/** A sign-in with password and app, without a pointer. */
export async function confirmByKeyboard(page: Page): Promise<void> {
  const customer = await createPerson(bank.id, 'phim@hoa-mai.example', 'Bùi Phím');
  const { secret } = await addApp(customer);
  await visit(page, authorizeUrl('bank'));
  // Where one starts to type, the page puts the focus.
  await page.locator('#identifier:focus').waitFor();
  await page.keyboard.type(customer.email);
  await page.keyboard.press('Tab');
  await page.locator('#password:focus').waitFor();
  await page.keyboard.type(PASSWORD);
  await leave(page, () => page.keyboard.press('Enter'));
  await tabTo(page, 'A recovery code');
  await leave(page, () => page.keyboard.press('Enter'));
  await tabTo(page, 'authenticator app');
  await leave(page, () => page.keyboard.press('Enter'));
  await page.locator('#code:focus').waitFor();
  await page.keyboard.type(codeOf(secret, Date.now()));
  await leave(page, () => page.keyboard.press('Enter'));
  assert.ok(new URL(page.url()).searchParams.has('code'), page.url());
}

/** Every second factor that there is, asked for after a password. */
async function confirm(page: Page, see: See, language: 'en' | 'vi', email: string, name: string) {
  const customer = await createPerson(bank.id, email, name);
  await addApp(customer);
  const owner = { ...customer, label: email, displayName: name };
  const options = await deps.webauthn.registrationOptions(owner, 'scene');
  const device = createAuthenticator({ origin: ISSUER });
  const response = device.create(options as Parameters<typeof device.create>[0]);
  await deps.webauthn.register(customer, 'scene', { name: 'Laptop', response });

  const suffix = language === 'en' ? '' : '-vi';
  const shots = language === 'en' ? (['dark', 'phone', 'phone-dark'] as const) : null;
  const look = (state: string) => see(`second-factor-${state}${suffix}`, '', shots && [...shots]);
  const words =
    language === 'en'
      ? { app: 'authenticator app', code: 'recovery code' }
      : { app: 'ứng dụng', code: 'khôi phục' };
  await enter(page, 'bank', email, language);
  await look('passkey');
  await choose(page, words.app);
  await look('app');
  await type(page, '000000');
  await see(`second-factor-error${suffix}`, language === 'en' ? 'Error: ' : 'Lỗi: ', null);
  await choose(page, words.code);
  await look('recovery-code');
}

/** A code by mail, where that is all there is. */
const confirmByMail: Walk = async (page, see) => {
  const { email } = await createPerson(bank.id, 'tam@hoa-mai.example', 'Hồ Minh Tâm');
  await enter(page, 'bank', email);
  await see('second-factor-mail', 'Confirm that it’s you', ['phone']);
  await press(page, 'Send a code');
  await see('second-factor-mail-sent', 'Confirm that it’s you', ['dark']);
  await type(page, '000000');
  await see('second-factor-mail-error', 'Error: Confirm that it’s you', null);
};

/** Ways through the second half of a sign-in. */
export const factorWalks: Record<string, Walk> = {
  'setting up a second factor': setUp,
  'confirming who one is by a code by mail': confirmByMail,
  'confirming who one is': (page, see) =>
    confirm(page, see, 'en', 'khanh@hoa-mai.example', 'Vũ Ngọc Khánh'),
  'confirming who one is, in Vietnamese, with a long name': (page, see) =>
    confirm(page, see, 'vi', `khanh.${'rat.dai.'.repeat(6)}khanh@hoa-mai.example`, LONG_NAME),
};
