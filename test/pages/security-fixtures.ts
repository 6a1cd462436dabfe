import type {
  ApplicationLine,
  FactorLine,
  Moment,
  PageModels,
  SessionLine,
} from '../../src/pages/index.ts';
import { longShell, shell } from './area-fixtures.ts';
import type { MakeScene, Scene } from './fixtures.ts';

const LONG = `${'Cổng dịch vụ tích hợp '.repeat(4)}Donaudampfschifffahrtsgesellschaft`;
const moment: Moment = { iso: '2026-11-21T12:05:00.000Z', text: '21 Nov 2026, 19:05' };
const BASE = '/account/security';

const factor: FactorLine = {
  name: 'Work phone',
  added: moment,
  lastUsed: moment,
  isSynced: false,
  isDisabled: false,
  renameUrl: `${BASE}/factors/1/rename`,
  removeUrl: `${BASE}/factors/1/remove`,
};
const synced: FactorLine = { ...factor, name: 'iCloud Keychain', isSynced: true, lastUsed: null };
const copied: FactorLine = { ...factor, name: LONG, isDisabled: true };

const security: PageModels['account-security'] = {
  shell,
  organisation: 'Lotus Health',
  isOn: false,
  isRequired: false,
  warnings: [],
  passkeys: [],
  apps: [],
  addPasskeyUrl: `${BASE}/passkeys/new`,
  addAppUrl: `${BASE}/apps/new`,
  recovery: null,
  recoveryUrl: null,
  passwordSince: null,
  passwordUrl: '/account/password',
};

const app: PageModels['account-app'] = {
  shell,
  action: `${BASE}/apps/1`,
  error: null,
  name: 'khue.nguyen@example.vn',
  qr: { size: 33, path: 'M4 4h7v1H4zM12 4h2v1H12z' },
  uri: 'otpauth://totp/Lotus:khue?secret=JBSWY3DPEHPK3PXP&issuer=Lotus',
  secret: 'JBSW Y3DP EHPK 3PXP',
};

const remove: PageModels['account-factor-remove'] = {
  shell,
  action: factor.removeUrl,
  error: null,
  type: 'totp',
  organisation: 'Lotus Health',
  factor,
  isLast: false,
  isNeeded: false,
};

const codes: PageModels['account-recovery-codes'] = {
  shell,
  codes: Array.from({ length: 10 }, (_, index) => `AB${index}DE-FGH${index}J-KMNPQ`),
  isFirst: true,
  account: 'khue.nguyen@example.vn',
  organisation: 'Lotus Health',
  made: moment,
  fileAction: `${BASE}/recovery-codes/file`,
  doneUrl: BASE,
};

const session: SessionLine = {
  device: 'Chrome on Windows',
  isHandheld: false,
  ip: '203.0.113.7',
  began: moment,
  seen: moment,
  how: 'Password and Passkey',
  apps: ['Lotus Portal', LONG],
  endUrl: '/account/sessions/2',
};
const unknown: SessionLine = { ...session, device: LONG, ip: null, apps: [] };

const application: ApplicationLine = {
  name: 'Acme Calendar',
  isOwn: false,
  isAway: true,
  used: moment,
  since: moment,
  url: '/account/applications/acme',
};
const own: ApplicationLine = { ...application, name: LONG, isOwn: true, isAway: false };

const entry: PageModels['account-history']['days'][number]['lines'][number] = {
  at: moment,
  title: { id: 'account.history.signed-in', values: { count: 1, factor: '' } },
  icon: 'openid',
  tone: '',
  device: 'Chrome on Windows',
  ip: '203.0.113.7',
  how: 'Password',
  app: null,
  why: null,
};

const factorScenes = (scene: MakeScene): Scene[] => [
  scene('account-security', 'account-security', security),
  scene('account-security-required', 'account-security', { ...security, isRequired: true }),
  scene('account-security-full', 'account-security', {
    ...security,
    shell: longShell,
    isOn: true,
    isRequired: true,
    passwordSince: '21 November 2026',
    warnings: [
      { id: 'account.security.warning.last' },
      { id: 'account.security.warning.few-codes', values: { left: 1 } },
    ],
    passkeys: [factor, synced, copied],
    apps: [factor, { ...factor, name: LONG }],
    addPasskeyUrl: null,
    addAppUrl: null,
    recovery: { left: 1, made: moment, isLow: true },
    recoveryUrl: `${BASE}/recovery-codes`,
  }),
  scene('account-app-new', 'account-app-new', {
    ...{ shell, action: `${BASE}/apps/new` },
    error: { id: 'account.error.name' },
    name: '',
  }),
  scene('account-app', 'account-app', app),
  scene('account-app-error', 'account-app', {
    ...app,
    error: { id: 'account.app.wrong-code' },
  }),
  scene('account-passkey-new', 'account-passkey-new', {
    ...{ shell, action: `${BASE}/passkeys/new`, optionsUrl: `${BASE}/passkeys/options` },
    appUrl: `${BASE}/apps/new`,
    error: { id: 'account.passkey.error' },
    name: '',
  }),
  scene('account-factor-rename', 'account-factor-rename', {
    ...{ shell, action: factor.renameUrl, error: null, type: 'webauthn', name: LONG },
  }),
  scene('account-factor-remove', 'account-factor-remove', remove),
  scene('account-factor-remove-last', 'account-factor-remove', {
    ...remove,
    type: 'webauthn',
    isLast: true,
  }),
  scene('account-factor-remove-needed', 'account-factor-remove', { ...remove, isNeeded: true }),
  scene('account-recovery', 'account-recovery', {
    ...{ shell, action: `${BASE}/recovery-codes`, left: 7, made: moment, hasFactor: true },
  }),
  scene('account-recovery-none', 'account-recovery', {
    ...{ shell, action: `${BASE}/recovery-codes`, left: 0, made: null, hasFactor: false },
  }),
  scene('account-recovery-codes', 'account-recovery-codes', codes),
];

const accessScenes = (scene: MakeScene): Scene[] => [
  scene('account-sessions', 'account-sessions', {
    ...{ shell, current: session, others: [session, unknown] },
    othersUrl: '/account/sessions/others',
  }),
  scene('account-sessions-none', 'account-sessions', {
    ...{ shell, current: null, others: [], othersUrl: '/account/sessions/others' },
  }),
  scene('account-session-end', 'account-session-end', {
    ...{ shell, action: session.endUrl, session },
  }),
  scene('account-sessions-others', 'account-sessions-others', {
    ...{ shell, action: '/account/sessions/others', count: 2, others: [session, unknown] },
    keepUrl: BASE,
  }),
  scene('account-sessions-others-none', 'account-sessions-others', {
    ...{ shell, action: '/account/sessions/others', count: 0, others: [], keepUrl: BASE },
  }),
  scene('account-applications', 'account-applications', {
    shell,
    applications: [application, own],
  }),
  scene('account-applications-none', 'account-applications', { shell, applications: [] }),
  scene('account-application', 'account-application', {
    ...{ shell, action: application.url, application, host: 'app.example' },
    siteUrl: 'https://acme.example/',
    scopes: [{ scope: 'email', title: 'See your e-mail address', description: 'And more.' }],
    resources: [
      { name: LONG, scopes: [{ scope: 'read', title: 'Read everything', description: null }] },
    ],
  }),
  scene('account-application-own', 'account-application', {
    ...{ shell, action: own.url, application: own, host: null, siteUrl: null },
    ...{ scopes: [], resources: [] },
  }),
  scene('account-history', 'account-history', {
    shell,
    days: [
      {
        day: 'Saturday, 21 November 2026',
        lines: [
          entry,
          {
            ...entry,
            title: { id: 'account.history.sign-in-failed', values: { count: 12, factor: '' } },
            ...{ icon: 'warning', tone: 'warn', device: null, ip: null, how: null, app: LONG },
          },
        ],
      },
      { day: 'Friday, 20 November 2026', lines: [{ ...entry, why: 'account.history.by.system' }] },
    ],
    newestUrl: '/account/activity',
    olderUrl: '/account/activity?cursor=abc',
  }),
  scene('account-history-none', 'account-history', {
    ...{ shell, days: [], newestUrl: null, olderUrl: null },
  }),
];

/** Pages about what protects an account and what has access to it. */
export const securityScenes = (scene: MakeScene): Scene[] => [
  ...factorScenes(scene),
  ...accessScenes(scene),
];
