import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import { Secret, TOTP } from 'otpauth';
import type { Page } from 'playwright-core';
import { createAuthenticator } from '../helpers/authenticator.ts';
import { press } from '../helpers/browser.ts';
import { clients, clinic, ISSUER, LONG_NAME, railway, stage, visit } from './scenery.ts';
import { submitSignIn } from './stage.ts';
import type { See, Walk } from './walks.ts';

const { deps } = stage;
const { knex } = deps.postgres;
const PASSWORD = 'violet harbour tandem 41';
const SECURITY = '/account/security';

const PHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1';
const LAPTOP =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15';
const WINDOWS = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0';

/** Somebody of a tenant, at home in Vietnam. */
async function createPerson(tenantId: string, email: string, name: string) {
  const facts = { tenantId, email, name, zoneinfo: 'Asia/Ho_Chi_Minh', emailVerified: true };
  const { id } = await deps.users.create(facts, PASSWORD);
  return { id, tenantId, email, name };
}
type Person = Awaited<ReturnType<typeof createPerson>>;

/** As after a sign-in with both factors. */
const proveBoth = ({ id }: Person) =>
  knex.raw(
    `UPDATE sessions SET payload = jsonb_set(payload::jsonb, '{acr}', ?)::json WHERE user_id = ?`,
    [JSON.stringify('urn:gatehouse:acr:2fa'), id],
  );

async function enter(page: Page, { email }: Person, path: string): Promise<void> {
  await visit(page, path);
  await submitSignIn(page, email, PASSWORD);
}

/** A passkey of a device that is not here. */
async function addPasskey(person: Person, name: string, isBackedUp: boolean): Promise<string> {
  const owner = { ...person, label: person.email, displayName: person.name };
  const options = await deps.webauthn.registrationOptions(owner, 'scene');
  const device = createAuthenticator({ origin: ISSUER, isSyncedType: isBackedUp, isBackedUp });
  const response = device.create(options as Parameters<typeof device.create>[0]);
  return (await deps.webauthn.register(person, 'scene', { name, response })).id;
}

/** A session on another device, and the entry of its sign-in. */
async function signInElsewhere(person: Person, userAgent: string, clientIp: string) {
  const { accessToken } = await deps.auth.login(
    { identifier: person.email, password: PASSWORD, tenant: person.tenantId },
    clientIp,
  );
  const id = String(decodeJwt(accessToken).sid);
  const place = { user_agent: userAgent, client_ip: clientIp };
  await knex('sessions').where({ id }).update(place);
  await knex('sign_ins').where({ session_id: id }).update(place);
  return id;
}

/** What an application was allowed a while ago. */
const allow = (person: Person, clientId: string, scope: string, daysAgo: number) =>
  knex('oidc_grants').insert({
    id: `scene-${person.id}-${clientId}`.slice(0, 128),
    user_id: person.id,
    client_id: clientId,
    tenant_id: person.tenantId,
    payload: JSON.stringify({
      iat: Math.floor(Date.now() / 1_000) - daysAgo * 86_400,
      openid: { scope },
    }),
    expires_at: new Date(Date.now() + 86_400_000),
  });

/** From an account with a password alone to one that is well protected. */
const protectAccount: Walk = async (page, see) => {
  const person = await createPerson(clinic.id, 'ha@sen-hong.example', 'Lê Thu Hà');
  await enter(page, person, SECURITY);
  await see('account-security', 'Sign-in and security – Sen Hồng Clinic', ['dark', 'phone']);
  await press(page, 'Add an app');
  await see('account-app-new', 'Add an authenticator app – Sen Hồng Clinic', null);
  await press(page, 'Continue');
  await see('account-app', 'Add an authenticator app – Sen Hồng Clinic', ['dark', 'phone']);
  const secret = (await page.locator('.secret').textContent()) ?? '';
  const totp = new TOTP({ secret: Secret.fromBase32(secret.replaceAll(' ', '')) });
  await page.locator('#code').fill(totp.generate());
  await press(page, 'Turn on');
  await see('account-recovery-codes', 'Save your recovery codes – Sen Hồng Clinic', [
    'dark',
    'phone',
  ]);
  await proveBoth(person);
  await press(page, 'I have saved them');
  await press(page, 'Make new codes');
  await see('account-recovery', 'Recovery codes – Sen Hồng Clinic', ['phone']);
};

/** An account that is well protected. */
const keepAccountProtected: Walk = async (page, see) => {
  const person = await createPerson(clinic.id, 'lan@sen-hong.example', 'Đặng Ngọc Lan');
  await enter(page, person, `${SECURITY}/passkeys/new`);
  await see('account-passkey-new', 'Add a passkey – Sen Hồng Clinic', ['dark', 'phone']);

  await addPasskey(person, 'MacBook', false);
  await proveBoth(person);
  await addPasskey(person, 'iCloud Keychain', true);
  const copied = await addPasskey(person, LONG_NAME.slice(0, 64), false);
  await knex('webauthn_credentials').where({ id: copied }).update({ disabled_at: new Date() });
  await deps.recoveryCodes.generate(person);
  await visit(page, SECURITY);
  await see('account-security-on', 'Sign-in and security – Sen Hồng Clinic', [
    'dark',
    'phone',
    'phone-dark',
  ]);
  await page.getByRole('link', { name: 'Rename MacBook' }).click();
  await see('account-factor-rename', 'Rename this passkey – Sen Hồng Clinic', null);
  await page.goBack();
  await page.getByRole('link', { name: 'Remove MacBook' }).click();
  await see('account-factor-remove', 'Remove this passkey? – Sen Hồng Clinic', ['phone']);
};

/** Devices of somebody who has many. */
const overseeDevices: Walk = async (page, see) => {
  const person = await createPerson(clinic.id, 'duc@sen-hong.example', 'Phạm Minh Đức');
  await enter(page, person, '/account/sessions');
  await see('account-sessions-none', 'Devices – Sen Hồng Clinic', null);
  const phone = await signInElsewhere(person, PHONE, '203.0.113.7');
  await signInElsewhere(person, WINDOWS, '2001:db8:85a3:8d3:1319:8a2e:370:7348');
  await signInElsewhere(person, LAPTOP, '198.51.100.23');
  await visit(page, '/account/sessions');
  await see('account-sessions', 'Devices – Sen Hồng Clinic', ['dark', 'phone', 'phone-dark']);
  await visit(page, `/account/sessions/${phone}`);
  await see('account-session-end', 'Sign this device out? – Sen Hồng Clinic', ['phone']);
  await visit(page, '/account/sessions/others');
  await see('account-sessions-others', 'Sign out everywhere else? – Sen Hồng Clinic', ['phone']);
};

/** Applications and history. */
const overseeApplications: Walk = async (page, see) => {
  const person = await createPerson(clinic.id, 'mai@sen-hong.example', 'Hoàng Thị Mai');
  await enter(page, person, '/account/applications');
  await see('account-applications-none', 'Connected apps – Sen Hồng Clinic', null);
  await allow(person, clients.clinic.clientId, 'openid profile email', 40);
  await allow(person, clients.calendar.clientId, 'openid profile email phone offline_access', 3);
  await allow(person, clients.long.clientId, 'openid email', 1);
  await visit(page, '/account/applications');
  await see('account-applications', 'Connected apps – Sen Hồng Clinic', ['dark', 'phone']);
  await page.getByRole('link', { name: 'Details Acme Calendar' }).click();
  await see('account-application', 'Connected apps – Sen Hồng Clinic', ['dark', 'phone']);

  await signInElsewhere(person, PHONE, '203.0.113.7');
  const windows = await signInElsewhere(person, WINDOWS, '2001:db8:85a3:8d3:1319:8a2e:370:7348');
  const end = { userId: person.id, tenantId: person.tenantId, reason: 'ended_by_user' } as const;
  await deps.sessions.end({ ...end, sessionId: windows });
  for (let i = 0; i < 4; i += 1) {
    const wrong = { identifier: person.email, password: 'wrong', tenant: person.tenantId };
    await assert.rejects(deps.auth.login(wrong, `198.51.100.${100 + i}`));
  }
  await addPasskey(person, 'MacBook', false);
  await deps.recoveryCodes.generate(person);
  await deps.outbox.drain();
  await visit(page, '/account/activity');
  await see('account-history', 'Sign-in history – Sen Hồng Clinic', [
    'dark',
    'phone',
    'phone-dark',
  ]);
};

/** The same in the longest words that there are. */
const overseeInVietnamese: Walk = async (page, see: See) => {
  const name = 'Wolfeschlegelsteinhausenbergerdorff Công Tằng Tôn Nữ Thị Minh Khuê';
  const email = `khue.${'rat.dai.'.repeat(4)}nguyen@duong-sat.example.vn`;
  const person = await createPerson(railway.id, email, name);
  await enter(page, person, '/account/sessions');
  await visit(page, '/account/sessions?lang=vi');
  await signInElsewhere(person, PHONE, '203.0.113.7');
  await allow(person, clients.long.clientId, 'openid email phone offline_access', 1);
  await deps.outbox.drain();
  for (const [path, title] of [
    ['/account/sessions', 'Thiết bị'],
    ['/account/sessions/others', 'Đăng xuất ở mọi nơi khác?'],
    ['/account/applications', 'Ứng dụng đã kết nối'],
    [`/account/applications/${clients.long.clientId}`, 'Ứng dụng đã kết nối'],
    ['/account/activity', 'Lịch sử đăng nhập'],
    [`${SECURITY}/apps/new`, 'Thêm ứng dụng xác thực'],
    [`${SECURITY}/passkeys/new`, 'Thêm khóa truy cập'],
  ] as const) {
    await visit(page, path);
    await see(`vi${path}`, title, null);
  }
};

export const securityWalks: Record<string, Walk> = {
  'what protects an account': protectAccount,
  'an account that is protected': keepAccountProtected,
  'devices of an account': overseeDevices,
  'applications and history of an account': overseeApplications,
  'the same in Vietnamese, with long names': overseeInVietnamese,
};
