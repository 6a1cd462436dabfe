import type { PageModels } from '../../src/pages/index.ts';
import type { MakeScene, Scene } from './fixtures.ts';

const BASE = '/interaction/abc';
const form = { csrfToken: 'token', error: null, backUrl: `${BASE}/sign-in` };
const values = { minutes: 5, seconds: 40, min: 8 };
const person = { name: 'Nguyễn Thị Minh Khuê', identifier: 'khue.nguyen@example.vn' };
const long = {
  name: `${'Cổng dịch vụ tích hợp '.repeat(4)}Donaudampfschifffahrtsgesellschaft`,
  identifier: `${'very.long.mailbox.'.repeat(4)}@mail.example.org`,
};

export const signUp: PageModels['sign-up'] = {
  ...form,
  action: `${BASE}/sign-up`,
  clientName: 'Acme Calendar',
  takes: ['email'],
  identifier: '',
  name: '',
  minLength: 8,
  fieldErrors: {},
};

const identify: PageModels['identify'] = {
  ...form,
  purpose: 'email-code',
  action: `${BASE}/code`,
  identifier: '',
  organisation: '',
  showOrganisation: false,
  fieldError: null,
};

export const code: PageModels['code'] = {
  ...form,
  purpose: 'email-code',
  action: `${BASE}/code/enter`,
  resendAction: `${BASE}/code/resend`,
  openedUrl: null,
  sentTo: person.identifier,
  minutes: 10,
  isResent: false,
};

export const reset: PageModels['reset'] = {
  ...form,
  action: `${BASE}/reset`,
  sentTo: person.identifier,
  token: null,
  resendAction: `${BASE}/reset/resend`,
  code: '',
  minLength: 15,
  isResent: false,
  fieldErrors: {},
};

const accounts: PageModels['accounts'] = {
  action: `${BASE}/accounts`,
  forgetAction: `${BASE}/accounts/forget`,
  anotherAction: `${BASE}/accounts/another`,
  cancelAction: `${BASE}/abort`,
  csrfToken: 'token',
  clientName: 'Acme Calendar',
  accounts: [
    { handle: 'one', account: person, isCurrent: true },
    { handle: 'two', account: { name: 'an', identifier: 'an' }, isCurrent: false },
  ],
};

const signUpScenes = (scene: MakeScene): Scene[] => [
  scene('sign-up', 'sign-up', signUp),
  scene('sign-up-any', 'sign-up', { ...signUp, takes: ['email', 'phone', 'username'] }),
  scene('sign-up-phone', 'sign-up', { ...signUp, takes: ['phone'], clientName: null }),
  scene('sign-up-username', 'sign-up', { ...signUp, takes: ['username'], backUrl: null }),
  scene('sign-up-closed', 'sign-up', { ...signUp, error: { id: 'sign-up.error.closed' } }),
  scene('sign-up-fields', 'sign-up', {
    ...signUp,
    identifier: long.identifier,
    name: long.name,
    fieldErrors: {
      identifier: { id: 'sign-up.field.taken' },
      name: { id: 'sign-up.field.name' },
      password: { id: 'password.error.short', values },
    },
  }),
];

const codeScenes = (scene: MakeScene): Scene[] => [
  ...(['email-code', 'sms-code', 'forgot-password'] as const).flatMap((purpose) => [
    scene(`identify-${purpose}`, 'identify', { ...identify, purpose }),
    scene(`identify-${purpose}-error`, 'identify', {
      ...identify,
      purpose,
      showOrganisation: true,
      organisation: 'acme',
      identifier: 'x',
      fieldError: { id: 'sign-up.field.email' },
      backUrl: null,
    }),
  ]),
  ...(['email-code', 'sms-code', 'verify-email', 'verify-phone'] as const).map((purpose) =>
    scene(`code-${purpose}`, 'code', {
      ...code,
      purpose,
      openedUrl: purpose === 'verify-email' ? `${BASE}/sign-in` : null,
    }),
  ),
  scene('code-resent', 'code', { ...code, isResent: true, sentTo: long.identifier }),
  ...(['code.error.wrong', 'code.error.wait', 'sign-in.error.locked'] as const).map((id) =>
    scene(`code-${id.split('.').at(-1)}`, 'code', { ...code, error: { id, values } }),
  ),
];

const recoveryScenes = (scene: MakeScene): Scene[] => [
  scene('reset', 'reset', reset),
  scene('reset-resent', 'reset', { ...reset, isResent: true, sentTo: long.identifier }),
  scene('reset-link', 'reset', {
    ...reset,
    sentTo: null,
    token: 'a-token',
    resendAction: null,
    backUrl: null,
  }),
  scene('reset-fields', 'reset', {
    ...reset,
    code: '123456',
    fieldErrors: { code: { id: 'code.error.wrong' } },
  }),
  scene('reset-weak', 'reset', {
    ...reset,
    sentTo: null,
    token: 'a-token',
    resendAction: null,
    strength: 1,
    fieldErrors: { password: { id: 'password.error.short', values } },
  }),
  scene('reset-locked', 'reset', { ...reset, error: { id: 'sign-in.error.locked', values } }),
  scene('confirm-email', 'confirm-email', {
    action: '/verify-email',
    csrfToken: 'token',
    token: 'a-token',
  }),
  ...(['password-reset', 'email-verified', 'signed-out-everywhere', 'link-spent'] as const).map(
    (state) => scene(`account-end-${state}`, 'account-end', { state, onward: null }),
  ),
  scene('account-end-onward', 'account-end', {
    state: 'password-reset',
    onward: { href: BASE, labelId: 'account-end.onward.continue' },
  }),
];

/** The pages by which people get an account, prove that it is theirs, and keep it. */
export const accountScenes = (scene: MakeScene): Scene[] => [
  ...signUpScenes(scene),
  ...codeScenes(scene),
  ...recoveryScenes(scene),
  scene('accounts', 'accounts', accounts),
  scene('accounts-long', 'accounts', {
    ...accounts,
    clientName: null,
    accounts: [{ handle: 'one', account: long, isCurrent: false }],
  }),
  scene('everywhere', 'everywhere', {
    action: '/logout/everywhere',
    csrfToken: 'token',
    account: long,
    stayUrl: '/',
  }),
];
