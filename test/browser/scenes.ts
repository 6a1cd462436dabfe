import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import type { Page } from 'playwright-core';
import { startConsumers } from '../../src/jobs.ts';
import { CIBA_GRANT } from '../flows/ciba-support.ts';
import { DEVICE_GRANT } from '../flows/device-support.ts';
import { basic } from '../flows/support.ts';
import { leave, press } from '../helpers/browser.ts';
import { createMailbox } from '../helpers/mailbox.ts';
import { createStage, submitSignIn } from './stage.ts';

/** The address that pictures show: what a newcomer has. */
export const ISSUER = 'http://localhost:3000';

/** A picture of a page, besides the light one of a desktop. */
export type Shot = 'dark' | 'phone' | 'phone-dark';

/** A service whose issuer is ISSUER, listening elsewhere: the browser is told where. */
const mailbox = await createMailbox();
const settings = { ISSUER, DEMO_URL: `${ISSUER}/demo`, SMTP_URL: mailbox.url };
const stage = await createStage({ settings });
const { deps, person, platformId } = stage;

export const { PORT } = stage.config;
startConsumers(deps);

const LONG_NAME =
  'Cổng thông tin tích hợp liên thông dữ liệu y tế và bảo hiểm xã hội vùng Tây Nguyên';
const LONG_MAIL = `${'nguyen.thi.minh.khue.'.repeat(2)}nguyen@${'rat.dai.'.repeat(5)}benh-vien.example.vn`;

const clinic = await deps.tenants.create({
  slug: 'sen-hong',
  name: 'Sen Hồng Clinic',
  colour: '#9d2463',
});
const railway = await deps.tenants.create({
  slug: 'duong-sat',
  name: 'Tổng công ty Cổ phần Hạ tầng Đường sắt và Liên vận Quốc tế Bắc Trung Nam',
  colour: '#ffe14d',
  locale: 'vi',
});
const doctor = { email: 'khue.nguyen@sen-hong.example', password: person.password };
await deps.users.create(
  { tenantId: clinic.id, email: doctor.email, name: 'Nguyễn Thị Minh Khuê', emailVerified: true },
  doctor.password,
);
await deps.users.create(
  { tenantId: railway.id, email: LONG_MAIL, name: 'Wolfeschlegelsteinhausenbergerdorff Nguyễn' },
  doctor.password,
);

const guest = { email: `phu.${LONG_MAIL}`, password: person.password };
await deps.users.create(
  {
    tenantId: clinic.id,
    email: guest.email,
    name: 'Wolfeschlegelsteinhausenbergerdorff Công Tằng Tôn Nữ',
    emailVerified: true,
  },
  guest.password,
);
await deps.tenants.updateSettings(clinic.id, { emailCodeSignIn: true });
await deps.tenants.updateSettings(railway.id, { emailCodeSignIn: true, selfRegistration: true });

const clients = {
  clinic: await stage.register(`${ISSUER}/`, { tenantId: clinic.id, name: 'Sen Hồng Portal' }),
  platform: await stage.register(`${ISSUER}/`, { tenantId: platformId, name: 'Admin Console' }),
  calendar: await stage.register('https://calendar.acme.example/callback', {
    tenantId: clinic.id,
    isFirstParty: false,
    name: 'Acme Calendar',
    metadata: {
      client_uri: 'https://acme.example/calendar',
      policy_uri: 'https://acme.example/privacy',
      tos_uri: 'https://acme.example/terms',
    },
  }),
  long: await stage.register(`https://${'rat.dai.'.repeat(12)}benh-vien.example.vn/callback`, {
    tenantId: railway.id,
    isFirstParty: false,
    name: LONG_NAME,
  }),
};

const television = { redirect_uris: [], response_types: [], post_logout_redirect_uris: [] };
const devices = {
  clinic: await stage.register(`${ISSUER}/`, {
    tenantId: clinic.id,
    name: 'Sen Hồng Kiosk',
    metadata: { ...television, grant_types: [DEVICE_GRANT] },
  }),
  long: await stage.register(`${ISSUER}/`, {
    tenantId: railway.id,
    name: LONG_NAME,
    metadata: { ...television, grant_types: [DEVICE_GRANT] },
  }),
  till: await stage.register(`${ISSUER}/`, {
    tenantId: clinic.id,
    name: 'Sen Hồng Till',
    metadata: {
      ...television,
      grant_types: [CIBA_GRANT],
      backchannel_token_delivery_mode: 'poll',
    },
  }),
};

/** What a client sends by itself: to the port where the service listens, by the issuer's name. */
function post(
  path: string,
  client: keyof typeof devices,
  form: Record<string, string>,
): Promise<Record<string, string>> {
  const headers = {
    host: new URL(ISSUER).host,
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
    'user-agent': 'SenHongKiosk/2.4 (Linux; reception)',
    'x-forwarded-for': '203.0.113.42',
    ...basic(devices[client]),
  };
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: PORT, path, method: 'POST', headers };
    const sent = httpRequest(options, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      resolve(JSON.parse(Buffer.concat(chunks).toString()));
    });
    sent.on('error', reject);
    sent.end(new URLSearchParams(form).toString());
  });
}

async function confirmDevice(page: Page, client: 'clinic' | 'long', query = '') {
  const { user_code = '' } = await post('/device_authorization', client, { scope: 'openid' });
  await visit(page, `/device${query}`);
  await page.locator('#user-code').fill(user_code);
  await leave(page, () => page.locator('#user-code').press('Enter'));
}

/** Opens the link of a mail that a till had sent, and signs in. */
async function openApproval(page: Page, query = '') {
  await post('/ciba', 'till', {
    scope: 'openid profile email',
    login_hint: doctor.email,
    binding_message: 'Hóa đơn 4711',
  });
  const { text } = await mailbox.take(doctor.email);
  const link = /^http\S+/m.exec(text)?.[0] ?? '';
  await visit(page, new URL(link).pathname + query);
  await submitSignIn(page, doctor.email, doctor.password);
}

function authorizeUrl(client: keyof typeof clients, parameters: Record<string, string> = {}) {
  const { clientId, redirectUri } = clients[client];
  return `/authorize?${new URLSearchParams({
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid profile email',
    code_challenge: randomBytes(32).toString('base64url'),
    code_challenge_method: 'S256',
    ...parameters,
  })}`;
}

const visit = (page: Page, path: string) => page.goto(`${ISSUER}${path}`, { waitUntil: 'load' });

async function signIn(
  page: Page,
  client: keyof typeof clients,
  parameters: Record<string, string> = {},
  email = doctor.email,
) {
  await visit(page, authorizeUrl(client, parameters));
  await submitSignIn(page, email, doctor.password);
}

const CONSENT = { scope: 'openid profile email phone offline_access', prompt: 'consent' };

export interface Scene {
  title: string;
  reach(page: Page): Promise<unknown>;
  /** Further pictures for the documentation; null for none at all. */
  shots?: Shot[] | null;
}

/** How to come to each page, and which pictures of it to keep. */
export const scenes: Record<string, Scene> = {
  landing: {
    title: 'OpenID Connect provider – Gatehouse',
    reach: (page) => visit(page, '/'),
    shots: ['dark', 'phone'],
  },
  'landing-vi': {
    title: 'Nhà cung cấp OpenID Connect – Gatehouse',
    reach: (page) => visit(page, '/?lang=vi'),
    shots: null,
  },
  'landing-signed-in': {
    title: 'OpenID Connect provider – Sen Hồng Clinic',
    async reach(page) {
      await signIn(page, 'platform');
      await visit(page, '/');
    },
  },
  'sign-in': {
    title: 'Sign in – Sen Hồng Clinic',
    reach: (page) => visit(page, authorizeUrl('clinic')),
    shots: ['dark', 'phone', 'phone-dark'],
  },
  'sign-in-vi': {
    title: 'Đăng nhập – Sen Hồng Clinic',
    reach: (page) => visit(page, authorizeUrl('clinic', { ui_locales: 'vi' })),
  },
  'sign-in-hint': {
    title: 'Sign in – Sen Hồng Clinic',
    reach: (page) => visit(page, authorizeUrl('clinic', { login_hint: doctor.email })),
    shots: null,
  },
  'sign-in-organisation': {
    title: 'Sign in – Gatehouse',
    async reach(page) {
      await visit(page, authorizeUrl('platform'));
      await page.locator('summary').click();
    },
  },
  'sign-in-error': {
    title: 'Error: Sign in – Sen Hồng Clinic',
    async reach(page) {
      await visit(page, authorizeUrl('clinic'));
      await submitSignIn(page, doctor.email, 'not the password');
    },
  },
  'sign-in-fields': {
    title: 'Lỗi: Đăng nhập – Sen Hồng Clinic',
    async reach(page) {
      await visit(page, authorizeUrl('clinic', { ui_locales: 'vi' }));
      await submitSignIn(page, '', '');
    },
    shots: null,
  },
  'sign-in-locked': {
    title: 'Error: Sign in – Sen Hồng Clinic',
    async reach(page) {
      await visit(page, authorizeUrl('clinic'));
      for (let tries = 0; tries < 7; tries += 1) await submitSignIn(page, `no${tries}`, 'wrong');
    },
  },
  'sign-in-long': {
    title: 'Sign in – Tổng công ty',
    reach: (page) => visit(page, authorizeUrl('long')),
    shots: null,
  },
  'sign-up-error': {
    title: 'Lỗi: ',
    async reach(page) {
      await visit(page, authorizeUrl('long', { ui_locales: 'vi' }));
      await page.goto(`${page.url()}/sign-up`, { waitUntil: 'load' });
      await leave(page, () => page.locator('#name').press('Enter'));
    },
  },
  'code-error': {
    title: 'Error: ',
    async reach(page) {
      await visit(page, authorizeUrl('clinic', { ui_locales: 'en' }));
      await page.goto(`${page.url()}/code/email`, { waitUntil: 'load' });
      await page.locator('#identifier').fill(LONG_MAIL);
      await press(page, 'Send a code');
      await page.locator('#code').fill('000000');
      await press(page, 'Sign in');
    },
    shots: ['phone', 'phone-dark'],
  },
  accounts: {
    title: 'Choose an account – Sen Hồng Clinic',
    async reach(page) {
      await signIn(page, 'clinic');
      await visit(page, authorizeUrl('clinic', { prompt: 'select_account' }));
      await press(page, 'Use another account');
      await submitSignIn(page, guest.email, guest.password);
      await visit(page, authorizeUrl('clinic', { prompt: 'select_account' }));
    },
    shots: ['dark', 'phone', 'phone-dark'],
  },
  consent: {
    title: 'Allow access – Sen Hồng Clinic',
    reach: (page) => signIn(page, 'calendar', CONSENT),
    shots: ['dark', 'phone', 'phone-dark'],
  },
  'consent-vi': {
    title: 'Cho phép truy cập – Sen Hồng Clinic',
    reach: (page) => signIn(page, 'calendar', { ...CONSENT, ui_locales: 'vi' }),
  },
  'consent-long': {
    title: 'Allow access – Tổng công ty',
    reach: (page) => signIn(page, 'long', CONSENT, LONG_MAIL),
    shots: null,
  },
  logout: {
    title: 'Sign out – Sen Hồng Clinic',
    async reach(page) {
      await signIn(page, 'clinic');
      await visit(page, `/logout?client_id=${clients.clinic.clientId}`);
    },
  },
  continue: {
    title: 'Continue – Sen Hồng Clinic',
    async reach(page) {
      // Its script would not leave it on the screen.
      await page.route('**/assets/continue.js*', (route) =>
        route.fulfill({ contentType: 'text/javascript', body: '' }),
      );
      await visit(page, `/logout?client_id=${clients.clinic.clientId}`);
    },
    shots: ['dark', 'phone', 'phone-dark'],
  },
  device: {
    title: 'Connect a device – Gatehouse',
    reach: (page) => visit(page, '/device'),
    shots: ['dark', 'phone', 'phone-dark'],
  },
  'device-vi': {
    title: 'Kết nối thiết bị – Gatehouse',
    reach: (page) => visit(page, '/device?lang=vi'),
    shots: null,
  },
  'device-prefilled': {
    title: 'Connect a device – Gatehouse',
    reach: (page) => visit(page, '/device?user_code=BCDF-GHJK'),
    shots: null,
  },
  'device-error': {
    title: 'Error: Connect a device – Gatehouse',
    async reach(page) {
      await visit(page, '/device');
      await page.locator('#user-code').fill('BCDF-GHJK');
      await leave(page, () => page.locator('#user-code').press('Enter'));
    },
  },
  'device-confirm': {
    title: 'Confirm the device – Sen Hồng Clinic',
    reach: (page) => confirmDevice(page, 'clinic'),
    shots: ['dark', 'phone', 'phone-dark'],
  },
  'device-confirm-long': {
    title: 'Xác nhận thiết bị – Tổng công ty',
    reach: (page) => confirmDevice(page, 'long', '?lang=vi'),
    shots: null,
  },
  'device-done': {
    title: 'Your device is connected – Sen Hồng Clinic',
    async reach(page) {
      await confirmDevice(page, 'clinic');
      await press(page, 'Yes, it’s my device');
      await submitSignIn(page, doctor.email, doctor.password);
    },
  },
  'device-declined': {
    title: 'The device was turned away – Gatehouse',
    async reach(page) {
      await confirmDevice(page, 'clinic');
      await press(page, 'No, stop');
    },
    shots: null,
  },
  approve: {
    title: 'Confirm a sign-in – Sen Hồng Clinic',
    reach: (page) => openApproval(page),
    shots: ['dark', 'phone', 'phone-dark'],
  },
  'approve-vi': {
    title: 'Xác nhận đăng nhập – Sen Hồng Clinic',
    async reach(page) {
      await visit(page, '/?lang=vi');
      await openApproval(page);
    },
    shots: null,
  },
  'approve-done': {
    title: 'You allowed the sign-in – Sen Hồng Clinic',
    async reach(page) {
      await openApproval(page);
      await press(page, 'Allow');
    },
  },
  'approve-gone': {
    title: 'Error: This request is over – Gatehouse',
    reach: (page) => visit(page, `/approve/${'x'.repeat(43)}`),
    shots: null,
  },
  'signed-out': {
    title: 'You’re signed out – Gatehouse',
    async reach(page) {
      await signIn(page, 'clinic');
      await visit(page, '/logout');
      await press(page, 'Sign out');
    },
  },
  error: {
    title: 'Error: We don’t know this app – Gatehouse',
    reach: (page) => visit(page, authorizeUrl('clinic', { client_id: 'nobody' })),
  },
  'error-details': {
    title: 'Error: The app gave an address we don’t know',
    async reach(page) {
      await visit(page, authorizeUrl('clinic', { redirect_uri: 'https://evil.example/' }));
      await page.locator('summary').click();
    },
    shots: null,
  },
  'error-csrf': {
    title: 'Error: We couldn’t accept that form – Sen Hồng Clinic',
    async reach(page) {
      await visit(page, authorizeUrl('clinic'));
      await page.evaluate('document.querySelector("[name=csrf]").value = "x"');
      await leave(page, () => page.locator('#password').press('Enter'));
    },
    shots: null,
  },
  expired: {
    title: 'Error: This sign-in has expired – Sen Hồng Clinic',
    async reach(page) {
      await visit(page, authorizeUrl('clinic'));
      await page.context().clearCookies();
      await page.reload();
    },
  },
  'not-found': {
    title: 'Error: There’s no page here – Gatehouse',
    reach: (page) => visit(page, '/nothing/here'),
  },
};
