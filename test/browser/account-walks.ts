import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { codeIn } from '../flows/proof-support.ts';
import { press, textOf } from '../helpers/browser.ts';
import { clinic, doctor, mailbox, railway, type Shot, stage, visit } from './scenery.ts';
import { submitSignIn } from './stage.ts';
import type { See } from './walks.ts';

const { deps } = stage;
const ALL: Shot[] = ['dark', 'phone'];

await deps.tenants.updateSettings(clinic.id, {
  userAttributes: {
    type: 'object',
    properties: {
      badge: { type: 'string', title: 'Badge number', description: 'On the back', maxLength: 8 },
      floor: { type: 'integer', title: 'Floor', minimum: 0, maximum: 9 },
      shift: { type: 'string', title: 'Shift', enum: ['Day', 'Night'] },
      onCall: { type: 'boolean', title: 'I can be called at night' },
      ward: { type: 'string', title: 'Ward', readOnly: true },
    },
  },
});

async function addPerson(email: string, more: object = {}): Promise<void> {
  const person = {
    ...{ tenantId: clinic.id, email, username: email.split('@')[0] ?? '', emailVerified: true },
    ...{ name: 'Nguyễn Thị Minh Khuê', attributes: { ward: 'Cardiology', badge: 'A-17' } },
    ...more,
  };
  await deps.users.create(person, doctor.password);
}

async function changeAddress(page: Page, email: string, see: See): Promise<void> {
  await visit(page, '/account/contact');
  await see('account-contact', 'E-mail and phone – Sen Hồng Clinic', ALL);
  await press(page, 'Change E-mail address');
  await see('account-address', 'Your e-mail address', ALL);
  await page.locator('#address').fill(`new.${email}`);
  await press(page, 'Send a code');
  await see('account-address-code', 'Confirm your address', ALL);
  await press(page, 'Confirm');
  await see('account-address-code-error', 'Error: ', null);
  await page.locator('#code').fill(codeIn(await mailbox.take(`new.${email}`)));
  await press(page, 'Confirm');
  await see('account-contact-changed', 'E-mail and phone', null);
  assert.match(await textOf(page), /Your e-mail address is changed\./);
}

/** All that a person can do with their own account, to its end. */
export async function manageAccount(page: Page, email: string, see: See): Promise<void> {
  await addPerson(email, { phone: `+849${email.length}7654321` });
  await visit(page, '/account');
  await submitSignIn(page, email, doctor.password);
  await see('account-overview', 'Your account – Sen Hồng Clinic', [...ALL, 'phone-dark']);
  await visit(page, '/account/profile');
  await see('account-profile', 'Profile', ALL);
  await page.locator('#attribute-floor').fill('twelve');
  await press(page, 'Save changes');
  await see('account-profile-error', 'Error: Profile', ['phone']);
  await page.locator('#attribute-floor').fill('4');
  await press(page, 'Save changes');
  assert.match(await textOf(page), /Your changes are saved\./);
  await changeAddress(page, email, see);
  await visit(page, '/account/password');
  await see('account-password', 'Password', ALL);
  await page.locator('#current').fill('not the password');
  await page.locator('#password').fill('violet harbour tandem 41');
  await press(page, 'Change password');
  await see('account-password-error', 'Error: Password', ['phone-dark']);
  await visit(page, '/account/data');
  await see('account-data', 'Your data', ALL);
  await press(page, 'Delete my account');
  await see('account-delete', 'Delete your account', ALL);
  await page.locator('#word').fill(`new.${email}`);
  await press(page, 'Delete my account for good');
  await see('account-deleted', 'Your account is deleted', ALL);
}

/** The same pages where names are long, in Vietnamese. */
export async function readLongAccount(page: Page, see: See): Promise<void> {
  const email = `${'nguyen.thi.minh.khue.'.repeat(2)}tai-khoan@${'rat.dai.'.repeat(5)}example.vn`;
  await addPerson(email, {
    ...{ tenantId: railway.id, emailVerified: false, attributes: {}, username: 'khue-duong-sat' },
    ...{ name: 'Wolfeschlegelsteinhausenbergerdorff Công Tằng Tôn Nữ', locale: 'vi' },
  });
  await visit(page, '/account?lang=vi');
  await submitSignIn(page, email, doctor.password);
  await see('account-overview-vi', 'Tài khoản của bạn', ['phone']);
  for (const path of ['profile', 'contact', 'contact/phone', 'password', 'data/delete']) {
    await visit(page, `/account/${path}`);
    await see(`account-${path.replace('/', '-')}-vi`, '', null);
  }
}
