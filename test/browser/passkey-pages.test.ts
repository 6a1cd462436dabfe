import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { CHEAP_HASHES } from '../flows/auth-support.ts';
import { createBrowserTests, type Open, press, textOf } from '../helpers/browser.ts';
import { addAuthenticator } from '../helpers/virtual-authenticator.ts';
import { begin, createStage, signedInAs, submitSignIn } from './stage.ts';

/** Passkeys on the hosted pages of a sign-in, with an authenticator of the browser's own. */

const test = await createBrowserTests();
const stage = await createStage({ settings: CHEAP_HASHES });
const { deps } = stage;
const strict = await deps.tenants.create({ slug: 'strict', name: 'Strict Bank' });
await deps.tenants.updateSettings(strict.id, { mfaRequired: true, mfaGraceDays: 0 });
const application = await stage.startApplication({ tenantId: strict.id }, { tenantId: strict.id });
const PASSWORD = 'correct horse battery staple';
let count = 0;

/** A window in which somebody has made a passkey within the first sign-in. */
async function enrol(open: Open) {
  count += 1;
  const email = `strict-${count}@bank.example`;
  const name = `Phạm Dung ${count}`;
  await deps.users.create({ tenantId: strict.id, email, name, emailVerified: true }, PASSWORD);
  const page = await open({ javaScript: true });
  const authenticator = await addAuthenticator(page);
  await begin(page, application);
  await submitSignIn(page, email, PASSWORD);
  assert.match(await page.title(), /^Protect your account/);
  await page.getByRole('link', { name: /Make a passkey/ }).click();
  await press(page, 'Make the passkey');
  assert.match(await page.title(), /^Save your recovery codes/);
  await press(page, 'I’ve saved them');
  assert.deepEqual(await signedInAs(page), [name]);
  return { page, authenticator, email, name };
}

/** The virtual authenticator takes offers in the field up by itself, again and again. */
const offerByButtonOnly = (page: Page): Promise<unknown> =>
  page.addInitScript('PublicKeyCredential.isConditionalMediationAvailable = async () => false');

/** As if in another browser that has the same passkeys. */
async function forget(page: Page): Promise<void> {
  await page.context().clearCookies();
}

test('who has to set up a second factor makes a passkey within the sign-in, and next time it is enough by itself', async (open) => {
  const { page, authenticator, name } = await enrol(open);
  assert.equal((await authenticator.credentials()).length, 1);
  await forget(page);
  await page.goto(application.url);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  // The sign-in page offers it in the field for the name, and the browser takes the offer up.
  await page.waitForURL(`${application.url}/`);
  await page.locator('.person h2').waitFor();
  assert.deepEqual(await signedInAs(page), [name]);
});

test('where nothing can be offered in the field, the button signs in without a name', async (open) => {
  const { page, name } = await enrol(open);
  await offerByButtonOnly(page);
  await forget(page);
  await begin(page, application);
  await press(page, 'Sign in with a passkey');
  assert.deepEqual(await signedInAs(page), [name]);
});

test('after the password a passkey is asked for; one that is not taken can be tried again', async (open) => {
  const { page, authenticator, email, name } = await enrol(open);
  const [passkey] = await authenticator.credentials();
  assert.ok(passkey);
  await authenticator.remove();
  await forget(page);
  await begin(page, application);
  await submitSignIn(page, email, PASSWORD);
  const device = await addAuthenticator(page);
  await device.add({ ...passkey, rpId: 'localhost' });
  await device.setVerified(false);
  await page.getByRole('button', { name: 'Use my passkey' }).click();
  await page.locator('[data-passkey-error]', { hasText: 'cancelled' }).waitFor();
  assert.match(await textOf(page), /Try again when you’re ready/);
  await device.setVerified(true);
  await press(page, 'Use my passkey');
  assert.deepEqual(await signedInAs(page), [name]);
});

test('a passkey that was taken away opens nothing, and the page says so', async (open) => {
  const { page, email } = await enrol(open);
  const { knex } = deps.postgres;
  const user = await knex('users').where({ email }).first('id');
  const owner = { id: user.id, tenantId: strict.id };
  await knex.transaction((trx) => deps.authenticators.removeAll(trx, owner, 'administrator'));
  await offerByButtonOnly(page);
  await forget(page);
  await begin(page, application);
  await press(page, 'Sign in with a passkey');
  assert.match(await textOf(page, '.summary'), /doesn’t open an account here/);
});
