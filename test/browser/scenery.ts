import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { after } from 'node:test';
import type { Page } from 'playwright-core';
import { startConsumers } from '../../src/jobs.ts';
import { CIBA_GRANT } from '../flows/ciba-support.ts';
import { DEVICE_GRANT } from '../flows/device-support.ts';
import { basic } from '../flows/support.ts';
import { leave } from '../helpers/browser.ts';
import { startGatehouse } from '../helpers/gatehouse.ts';
import { createMailbox } from '../helpers/mailbox.ts';
import { createStage, submitSignIn } from './stage.ts';

/** The address that pictures show: what a newcomer has. */
export const ISSUER = 'http://localhost:3000';

/** A picture of a page, besides the light one of a desktop. */
export type Shot = 'dark' | 'phone' | 'phone-dark';

/** A service whose issuer is ISSUER, listening elsewhere: the browser is told where. */
export const mailbox = await createMailbox();
const settings = { ISSUER, DEMO_URL: `${ISSUER}/demo`, SMTP_URL: mailbox.url };
export const stage = await createStage({ settings });
export const { deps } = stage;
const { person, platformId } = stage;

export const { PORT } = stage.config;
startConsumers(deps);

// What development writes goes to the folder that it runs in.
const folder = await mkdtemp(`${tmpdir()}/dev-`);
const home = process.cwd();
process.chdir(folder);
after(async () => {
  process.chdir(home);
  await rm(folder, { recursive: true });
});

/** A service that shows the pages of development. */
export const development = await startGatehouse({ settings: { NODE_ENV: 'development' } });

export const LONG_NAME =
  'Cổng thông tin tích hợp liên thông dữ liệu y tế và bảo hiểm xã hội vùng Tây Nguyên';
export const LONG_MAIL = `${'nguyen.thi.minh.khue.'.repeat(2)}nguyen@${'rat.dai.'.repeat(5)}benh-vien.example.vn`;

await deps.tenants.updateSettings(stage.tenantId, {
  selfRegistration: true,
  emailCodeSignIn: true,
});
export const clinic = await deps.tenants.create({
  slug: 'sen-hong',
  name: 'Sen Hồng Clinic',
  colour: '#9d2463',
});
export const railway = await deps.tenants.create({
  slug: 'duong-sat',
  name: 'Tổng công ty Cổ phần Hạ tầng Đường sắt và Liên vận Quốc tế Bắc Trung Nam',
  colour: '#ffe14d',
  locale: 'vi',
});
export const doctor = { email: 'khue.nguyen@sen-hong.example', password: person.password };
await deps.users.create(
  { tenantId: clinic.id, email: doctor.email, name: 'Nguyễn Thị Minh Khuê', emailVerified: true },
  doctor.password,
);
await deps.users.create(
  { tenantId: railway.id, email: LONG_MAIL, name: 'Wolfeschlegelsteinhausenbergerdorff Nguyễn' },
  doctor.password,
);

export const guest = { email: `phu.${LONG_MAIL}`, password: person.password };
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

/** A tenant that insists on a second factor, in a week at the latest. */
export const harbour = await deps.tenants.create({
  slug: 'cang-hp',
  name: 'Cảng Hải Phòng',
  colour: '#0b6e8f',
});
await deps.tenants.updateSettings(harbour.id, { mfaRequired: true, mfaGraceDays: 7 });

/** One that takes a code by mail for one. */
export const bank = await deps.tenants.create({
  slug: 'hoa-mai',
  name: 'Ngân hàng Hoa Mai',
  colour: '#4a3aa7',
});
await deps.tenants.updateSettings(bank.id, {
  mfaRequired: true,
  mfaGraceDays: 7,
  mfaRememberDays: 30,
  mfaEmailCode: true,
});

export const clients = {
  harbour: await stage.register(`${ISSUER}/`, { tenantId: harbour.id, name: 'Berth Planner' }),
  bank: await stage.register(`${ISSUER}/`, { tenantId: bank.id, name: 'Hoa Mai Online' }),
  clinic: await stage.register(`${ISSUER}/`, { tenantId: clinic.id, name: 'Sen Hồng Portal' }),
  lotus: await stage.register(`${ISSUER}/`, { name: 'Lotus Portal' }),
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
export function post(
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

export async function confirmDevice(page: Page, client: 'clinic' | 'long', query = '') {
  const { user_code = '' } = await post('/device_authorization', client, { scope: 'openid' });
  await visit(page, `/device${query}`);
  await page.locator('#user-code').fill(user_code);
  await leave(page, () => page.locator('#user-code').press('Enter'));
}

/** Opens the link of a mail that a till had sent, and signs in. */
export async function openApproval(page: Page, query = '') {
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

export function authorizeUrl(
  client: keyof typeof clients,
  parameters: Record<string, string> = {},
) {
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

export const visit = (page: Page, path: string) =>
  page.goto(`${ISSUER}${path}`, { waitUntil: 'load' });

export async function signIn(
  page: Page,
  client: keyof typeof clients,
  parameters: Record<string, string> = {},
  email = doctor.email,
) {
  await visit(page, authorizeUrl(client, parameters));
  await submitSignIn(page, email, doctor.password);
}
