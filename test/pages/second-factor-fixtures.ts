import type { PageModels } from '../../src/pages/index.ts';
import { type MakeScene, type Scene, tenant } from './fixtures.ts';

const BASE = '/interaction/abc';
const form = {
  csrfToken: 'token',
  challenge: 'a-challenge',
  error: null,
  leaveAction: `${BASE}/second-factor/leave`,
  cancelAction: `${BASE}/abort`,
};
const others: PageModels['second-factor']['others'] = [
  { method: 'webauthn', href: `${BASE}/second-factor/passkey` },
  { method: 'totp', href: `${BASE}/second-factor/app` },
  { method: 'recovery-code', href: `${BASE}/second-factor/recovery-code` },
  { method: 'sms', href: `${BASE}/second-factor/sms` },
  { method: 'email', href: `${BASE}/second-factor/email` },
];

export const secondFactor: PageModels['second-factor'] = {
  ...form,
  method: 'totp',
  action: `${BASE}/second-factor/app`,
  askedBy: null,
  optionsUrl: null,
  sendAction: null,
  sentTo: null,
  isSent: false,
  isResent: false,
  minutes: 10,
  rememberDays: 30,
  others: others.filter(({ method }) => method !== 'totp'),
};

const passkey: PageModels['second-factor'] = {
  ...secondFactor,
  method: 'webauthn',
  action: `${BASE}/second-factor/passkey`,
  optionsUrl: `${BASE}/second-factor/passkey/options`,
  others: others.filter(({ method }) => method !== 'webauthn'),
};

const sent = (method: 'sms' | 'email'): PageModels['second-factor'] => ({
  ...secondFactor,
  method,
  sendAction: `${BASE}/second-factor/${method}/send`,
  sentTo: method === 'sms' ? '•••• 67' : 'k•••@example.vn',
  rememberDays: 0,
});

export const setUpApp: PageModels['set-up-app'] = {
  ...form,
  action: `${BASE}/set-up/app`,
  qr: { size: 33, path: 'M4 4h7v1H4z' },
  uri: 'otpauth://totp/Lotus:khue?secret=JBSWY3DPEHPK3PXP&issuer=Lotus',
  key: 'JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP',
  enrolment: 'an-enrolment',
  backUrl: `${BASE}/set-up`,
};

const setUp: PageModels['set-up'] = {
  csrfToken: form.csrfToken,
  challenge: form.challenge,
  leaveAction: form.leaveAction,
  cancelAction: form.cancelAction,
  passkeyUrl: `${BASE}/set-up/passkey`,
  appUrl: `${BASE}/set-up/app`,
  laterAction: `${BASE}/set-up/later`,
  laterUntil: '30 November 2026',
};

const setUpPasskey: PageModels['set-up-passkey'] = {
  ...form,
  action: `${BASE}/set-up/passkey`,
  optionsUrl: `${BASE}/set-up/passkey/options`,
  backUrl: `${BASE}/set-up`,
};

const codes = Array.from({ length: 10 }, (_, index) => `${index}bcd-efgh-jkmn`);
const values = { tries: 2, minutes: 5, seconds: 40 };

const factorScenes = (scene: MakeScene): Scene[] => [
  scene('second-factor-app', 'second-factor', secondFactor),
  scene('second-factor-app-only', 'second-factor', {
    ...secondFactor,
    rememberDays: 0,
    others: [],
  }),
  scene(
    'second-factor-step-up',
    'second-factor',
    { ...secondFactor, askedBy: 'Acme Bank' },
    tenant,
  ),
  scene('second-factor-app-wrong', 'second-factor', {
    ...secondFactor,
    error: { id: 'second-factor.error.wrong', values },
  }),
  scene('second-factor-app-empty', 'second-factor', {
    ...secondFactor,
    error: { id: 'code.error.required' },
  }),
  scene('second-factor-passkey', 'second-factor', passkey),
  scene('second-factor-passkey-wrong', 'second-factor', {
    ...passkey,
    error: { id: 'second-factor.error.passkey', values: { tries: 1 } },
  }),
  scene('second-factor-recovery-code', 'second-factor', {
    ...secondFactor,
    method: 'recovery-code',
    others: others.slice(0, 2),
  }),
  scene('second-factor-recovery-code-empty', 'second-factor', {
    ...secondFactor,
    method: 'recovery-code',
    error: { id: 'second-factor.error.required' },
  }),
  ...(['sms', 'email'] as const).flatMap((way) => [
    scene(`second-factor-${way}`, 'second-factor', sent(way)),
    scene(`second-factor-${way}-sent`, 'second-factor', { ...sent(way), isSent: true }),
    scene(`second-factor-${way}-resent`, 'second-factor', {
      ...sent(way),
      isSent: true,
      isResent: true,
    }),
    scene(`second-factor-${way}-pause`, 'second-factor', {
      ...sent(way),
      isSent: true,
      error: { id: 'code.error.wait', values },
    }),
  ]),
];

/** The pages of second factors within a sign-in. */
export const secondFactorScenes = (scene: MakeScene): Scene[] => [
  ...factorScenes(scene),
  scene('set-up', 'set-up', setUp, tenant),
  scene('set-up-now', 'set-up', { ...setUp, laterAction: null, laterUntil: null }),
  scene('set-up-app', 'set-up-app', setUpApp),
  scene('set-up-app-wrong', 'set-up-app', {
    ...setUpApp,
    backUrl: null,
    error: { id: 'set-up.error.code', values },
  }),
  scene('set-up-passkey', 'set-up-passkey', setUpPasskey),
  ...(['set-up.error.passkey', 'set-up.error.passkey-limit'] as const).map((id) =>
    scene(`set-up-passkey-${id.split('.').at(-1)}`, 'set-up-passkey', {
      ...setUpPasskey,
      backUrl: null,
      error: { id },
    }),
  ),
  scene('recovery-codes', 'recovery-codes', {
    codes,
    csrfToken: form.csrfToken,
    fileAction: `${BASE}/recovery-codes/file`,
    action: `${BASE}/recovery-codes`,
  }),
  ...(['factor-failed', 'factor-expired'] as const).map((state) =>
    scene(`account-end-${state}`, 'account-end', {
      state,
      onward: { href: BASE, labelId: 'account-end.onward.restart' },
    }),
  ),
];
