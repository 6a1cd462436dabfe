import type { Page } from 'playwright-core';
import { leave, press } from '../helpers/browser.ts';
import {
  authorizeUrl,
  clients,
  confirmDevice,
  doctor,
  guest,
  LONG_MAIL,
  openApproval,
  type Shot,
  signIn,
  visit,
} from './scenery.ts';
import { submitSignIn } from './stage.ts';

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
