import type { AccountShell, AttributeField, FormError, PageModels } from '../../src/pages/index.ts';
import type { MakeScene, Scene } from './fixtures.ts';

export const shell: AccountShell = {
  account: { name: 'Nguyễn Thị Minh Khuê', identifier: 'khue.nguyen@example.vn' },
  groups: [
    {
      labelId: null,
      rooms: [{ labelId: 'account.nav.overview', href: '/account', icon: 'home', isCurrent: true }],
    },
    {
      labelId: 'account.group.person',
      rooms: [
        { labelId: 'account.nav.profile', href: '/account/p', icon: 'profile', isCurrent: false },
      ],
    },
  ],
  notice: null,
  csrfToken: 'token',
  switchUrl: '/account/switch',
  signOutAction: '/account/sign-out',
};

export const longShell: AccountShell = {
  ...shell,
  account: {
    name: 'Wolfeschlegelsteinhausenbergerdorff Công Tằng Tôn Nữ Thị Minh Khuê',
    identifier: `${'very.long.mailbox.'.repeat(4)}@mail.example.org`,
  },
  notice: { id: 'account.notice.saved' },
};

const VALUES = { min: 2, max: 40 };
const address = { value: 'khue.nguyen@example.vn', isVerified: true };
const longAddress = { value: longShell.account.identifier, isVerified: false };

const overview: PageModels['account-overview'] = {
  shell,
  organisation: 'Lotus Health',
  email: address,
  phone: null,
  passwordSince: '3 March 2026',
  apps: 0,
  passkeys: 0,
  recoveryCodes: null,
  isSecondFactorRequired: false,
  sessions: 1,
  urls: {
    password: '/account/password',
    profile: '/account/profile',
    contact: '/account/contact',
    security: '/account/security',
    sessions: '/account/sessions',
  },
};

const text: AttributeField = {
  name: 'attribute-badge',
  label: 'Badge number',
  description: 'On the back of your badge',
  kind: 'text',
  inputType: 'text',
  value: 'A-17',
  options: [],
  isRequired: true,
  min: 2,
  max: 40,
  error: null,
};

const profile: PageModels['account-profile'] = {
  shell,
  action: '/account/profile',
  version: 3,
  username: 'khue',
  values: {
    name: 'Nguyễn Thị Minh Khuê',
    givenName: 'Minh Khuê',
    familyName: 'Nguyễn',
    locale: 'vi',
    zoneinfo: 'Asia/Ho_Chi_Minh',
  },
  zones: [{ region: 'Asia', zones: [{ name: 'Asia/Ho_Chi_Minh', label: 'Ho Chi Minh' }] }],
  attributes: [
    text,
    { ...text, name: 'attribute-floor', label: 'Floor', kind: 'number', value: '4' },
    { ...text, name: 'attribute-shift', label: 'Shift', kind: 'choice', options: ['day', 'night'] },
    { ...text, name: 'attribute-trained', label: 'Trained', kind: 'yes-no', value: 'true' },
    { ...text, name: 'attribute-ward', label: 'Ward', kind: 'shown', value: 'Cardiology' },
  ],
  error: null,
  fieldErrors: {},
};

const invalid: FormError = { id: 'account.field.length', values: VALUES };

const newAddress: PageModels['account-address'] = {
  ...{ shell, scheme: 'email', action: '/account/contact/email', backUrl: '/account/contact' },
  ...{ present: address, value: '', error: null, fieldError: null },
};

const addressCode: PageModels['account-address-code'] = {
  ...{ shell, scheme: 'email', action: '/account/contact/email/code', backUrl: '/account/contact' },
  ...{ resendAction: '/account/contact/email/code/resend', sentTo: address.value },
  ...{ error: null, fieldError: null },
};

const password: PageModels['account-password'] = {
  ...{ shell, action: '/account/password', since: '3 March 2026', mailTo: address.value },
  ...{ mailAction: '/account/password/mail', forgotUrl: '/forgot-password?tenant=lotus' },
  ...{ contactUrl: '/account/contact', backUrl: '/account/security' },
  ...{ minLength: 8, error: null, fieldErrors: {} },
};

const deletion: PageModels['account-delete'] = {
  ...{ shell, action: '/account/data/delete', backUrl: '/account/data', word: address.value },
  ...{ organisation: 'Lotus Health', mailTo: address.value, fieldError: null },
};

function contactScenes(scene: MakeScene): Scene[] {
  const urls = { emailUrl: '/account/contact/email', phoneUrl: '/account/contact/phone' };
  return [
    scene('account-contact', 'account-contact', {
      ...{ shell, ...urls, email: address, phone: null, username: 'khue' },
    }),
    scene('account-contact-long', 'account-contact', {
      ...{ shell: longShell, ...urls, email: longAddress, phone: longAddress, username: null },
    }),
    scene('account-address', 'account-address', newAddress),
    scene('account-address-phone', 'account-address', {
      ...newAddress,
      scheme: 'phone',
      present: longAddress,
      fieldError: { id: 'sign-up.field.phone' },
    }),
    scene('account-address-code', 'account-address-code', addressCode),
    scene('account-address-code-wrong', 'account-address-code', {
      ...addressCode,
      ...{ scheme: 'phone', sentTo: longAddress.value, fieldError: { id: 'code.error.wrong' } },
    }),
  ];
}

function passwordScenes(scene: MakeScene): Scene[] {
  return [
    scene('account-password', 'account-password', password),
    scene('account-password-wrong', 'account-password', {
      ...password,
      fieldErrors: {
        current: { id: 'account.password.current-wrong' },
        password: { id: 'password.error.short', values: { min: 8 } },
      },
    }),
    scene('account-password-none', 'account-password', { ...password, since: null }),
    scene('account-password-no-mail', 'account-password', {
      ...password,
      ...{ since: null, mailTo: null },
    }),
  ];
}

/** Pages of the account page. */
export const areaScenes = (scene: MakeScene): Scene[] => [
  scene('account-overview', 'account-overview', overview),
  scene('account-overview-long', 'account-overview', {
    ...overview,
    shell: longShell,
    organisation: 'Tổng công ty Cổ phần Hạ tầng Đường sắt và Liên vận Quốc tế Bắc Trung Nam',
    ...{ email: longAddress, phone: longAddress, passwordSince: null },
    ...{ apps: 2, passkeys: 5, recoveryCodes: 3, isSecondFactorRequired: true, sessions: 12 },
  }),
  scene('account-profile', 'account-profile', profile),
  scene('account-profile-wrong', 'account-profile', {
    ...profile,
    shell: longShell,
    attributes: profile.attributes.map((one) =>
      one.kind === 'shown' ? one : { ...one, error: invalid },
    ),
    error: { id: 'account.error.stale' },
    fieldErrors: { name: { id: 'account.field.name' }, zoneinfo: { id: 'account.field.invalid' } },
  }),
  ...contactScenes(scene),
  ...passwordScenes(scene),
  scene('account-data', 'account-data', {
    ...{ shell, downloadUrl: '/account/data/download', deleteUrl: '/account/data/delete' },
  }),
  scene('account-delete', 'account-delete', deletion),
  scene('account-delete-wrong', 'account-delete', {
    ...deletion,
    ...{ shell: longShell, word: longAddress.value, fieldError: { id: 'account.delete.mismatch' } },
  }),
  scene('account-deleted', 'account-end', {
    ...{ state: 'account-deleted', onward: { href: '/', labelId: 'account-end.onward.home' } },
  }),
];
