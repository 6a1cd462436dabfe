import {
  type Brand,
  createPages,
  deviceErrors,
  docsLabels,
  errorKinds,
  errorMessageIds,
  type Frame,
  knownScopes,
  type Locale,
  type PageModels,
  type PageName,
  type Pages,
  scopeLine,
  signInErrors,
} from '../../src/pages/index.ts';
import { accountScenes } from './account-fixtures.ts';
import { areaScenes } from './area-fixtures.ts';
import { secondFactorScenes } from './second-factor-fixtures.ts';
import { securityScenes } from './security-fixtures.ts';

/** A page with its data, as a person could meet it. */
export interface Scene {
  name: string;
  page: PageName;
  /** `change` is applied to every string of the data but the languages. */
  html: (locale: Locale, brand?: Brand, change?: (value: string) => string) => string;
}

export const pages: Pages = createPages({
  viewsDir: new URL('../../views', import.meta.url),
  localesDir: new URL('../../locales', import.meta.url),
  assetVersion: 'test',
  cache: true,
});

export const provider: Brand = {
  tenantId: null,
  name: 'Gatehouse',
  logoUrl: null,
  hasColour: false,
};

export const tenant: Brand = {
  tenantId: 'ten_1',
  name: 'Công ty Cổ phần Hạ tầng Đường sắt Bắc Trung Nam',
  logoUrl: null,
  hasColour: true,
};

export function frame(locale: Locale, brand: Brand): Frame {
  const languageLinks = pages.locales.map((other) => ({
    locale: other,
    href: `?ui_locales=${other}`,
    current: other === locale,
  }));
  return { locale, brand, languageLinks, requestId: '0199a7c2-5d1e-7b60-9f7e-3c1f0ad28e44' };
}

const account = { name: 'Nguyễn Thị Minh Khuê', identifier: 'khue.nguyen@example.vn' };
const longAccount = {
  name: 'Wolfeschlegelsteinhausenbergerdorffwelchevoralternwaren',
  identifier: `${'very.long.mailbox.'.repeat(4)}@mail.example.org`,
};
const longName = `${'Cổng dịch vụ tích hợp '.repeat(4)}Donaudampfschifffahrtsgesellschaft`;

export const signIn: PageModels['sign-in'] = {
  action: '/interaction/abc/sign-in',
  csrfToken: 'token',
  cancelAction: '/interaction/abc/cancel',
  clientName: 'Acme Calendar',
  identifier: '',
  organisation: '',
  showOrganisation: true,
  error: null,
  fieldErrors: {},
  notice: null,
  ways: {
    ...{ emailCode: null, smsCode: null, forgot: null, signUp: null, accounts: null },
    passkey: { action: '/interaction/abc/passkey', optionsUrl: '/interaction/abc/passkey/options' },
  },
};

export const logout: PageModels['logout'] = {
  action: '/session/end/confirm',
  csrfField: { name: 'xsrf', value: 'token' },
  clientName: 'Acme Calendar',
  account,
};

export const onward: PageModels['continue'] = {
  action: 'https://calendar.acme.example/callback',
  inputs: [
    { name: 'code', value: 'a-code' },
    { name: 'state', value: 'a "state" & <more>' },
  ],
};

/** The pages that have a script, which nothing else can do the work of. */
export const scripts: Partial<Record<PageName, string>> = {
  'account-passkey-new': 'passkeys.js',
  continue: 'continue.js',
  'sign-in': 'passkeys.js',
  'second-factor': 'passkeys.js',
  'set-up-passkey': 'passkeys.js',
};

/** A page without the script that it may have. */
export const withoutScript = (page: PageName, html: string): string =>
  scripts[page] === undefined
    ? html
    : html.replace(`<script src="/assets/${scripts[page]}?v=test" defer></script>`, '');

export function consent(locale: Locale): PageModels['consent'] {
  return {
    action: '/interaction/abc/consent',
    csrfToken: 'token',
    client: {
      name: 'Acme Calendar',
      publishedAt: null,
      host: 'calendar.acme.example',
      logoUri: null,
      clientUri: 'https://acme.example/calendar',
      policyUri: 'https://acme.example/privacy',
      tosUri: 'https://acme.example/terms',
    },
    account,
    scopes: knownScopes.map((scope) => scopeLine(pages, locale, scope)),
    resources: [
      {
        name: 'Acme Files',
        scopes: [
          { scope: 'files:read', title: 'Read your files', description: null },
          scopeLine(pages, locale, 'files:write'),
        ],
      },
    ],
    details: [
      {
        type: 'payment_initiation',
        facts: [
          { name: 'actions', values: ['initiate', 'status'] },
          { name: 'instructedAmount', values: ['{"currency":"EUR","amount":"123.50"}'] },
        ],
      },
    ],
    offlineAccess: true,
  };
}

export const landing: PageModels['landing'] = {
  signedIn: null,
  issuer: 'https://id.example.org',
  discoveryUrl: 'https://id.example.org/.well-known/openid-configuration',
  everywhereUrl: '/logout/everywhere',
  accountUrl: '/account',
  docsLinks: docsLabels.map((labelId) => ({ href: '/docs', labelId })),
  demoUrl: '/demo',
};

export type MakeScene = typeof scene;

function scene<P extends PageName>(
  name: string,
  page: P,
  model: PageModels[P] | ((locale: Locale) => PageModels[P]),
  usual: Brand = provider,
): Scene {
  return {
    name,
    page,
    html: (locale, brand = usual, change = (value) => value) => {
      const data = mapStrings(typeof model === 'function' ? model(locale) : model, change);
      const around = mapStrings(frame(locale, brand), change);
      const languageLinks = around.languageLinks.map((link, index) => ({
        ...link,
        locale: pages.locales[index] ?? 'en',
      }));
      return pages.render(page, data, { ...around, locale, languageLinks });
    },
  };
}

function mapStrings<T>(value: T, change: (value: string) => string): T {
  const walk = (part: unknown): unknown => {
    if (typeof part === 'string') return change(part);
    if (Array.isArray(part)) return part.map(walk);
    if (typeof part !== 'object' || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([key, inner]) => [key, walk(inner)]));
  };
  return walk(value) as T;
}

export const device: PageModels['device'] = {
  action: '/device',
  xsrf: 'token',
  userCode: '',
  error: null,
};

export const deviceConfirm: PageModels['device-confirm'] = {
  action: '/device',
  xsrf: 'token',
  userCode: 'BCDF-GHJK',
  clientName: 'Acme Television',
  origin: { ip: '2001:db8::1', agent: 'AcmeTV/4.2 (Linux; living room)' },
};

function deviceScenes(): Scene[] {
  const { origin } = deviceConfirm;
  return [
    scene('device', 'device', device),
    scene('device-prefilled', 'device', { ...device, userCode: 'BCDF-GHJK' }),
    ...deviceErrors.map((id) =>
      scene(`device-${id.split('.').at(-1)}`, 'device', {
        ...device,
        userCode: 'BCDF-GHJK',
        error: { id, values: { minutes: 5 } },
      }),
    ),
    scene('device-confirm', 'device-confirm', deviceConfirm, tenant),
    scene('device-confirm-long', 'device-confirm', {
      ...deviceConfirm,
      clientName: longName,
      origin: { ...origin, agent: 'x'.repeat(120) },
    }),
    scene('device-confirm-bare', 'device-confirm', {
      ...deviceConfirm,
      origin: { ip: null, agent: null },
    }),
    scene('device-done', 'device-end', { isDone: true, clientName: longName }, tenant),
    scene('device-done-plain', 'device-end', { isDone: true, clientName: null }),
    scene('device-declined', 'device-end', { isDone: false, clientName: null }),
  ];
}

export function approve(locale: Locale): PageModels['approve'] {
  return {
    action: '/approve/abc',
    csrfToken: 'token',
    client: { name: 'Acme Bank', logoUri: null },
    account,
    message: 'Lệnh chuyển tiền 4711',
    origin: { ip: '203.0.113.9', agent: null },
    minutes: 9,
    scopes: ['openid', 'profile', 'files:read'].map((scope) => scopeLine(pages, locale, scope)),
  };
}

function approveScenes(): Scene[] {
  const states = ['allowed', 'denied', 'gone', 'locked'] as const;
  return [
    scene('approve', 'approve', approve, tenant),
    scene('approve-long', 'approve', (locale) => ({
      ...approve(locale),
      client: { name: longName, logoUri: null },
      account: longAccount,
      message: 'x'.repeat(64),
    })),
    scene('approve-bare', 'approve', (locale) => ({
      ...approve(locale),
      message: null,
      origin: { ip: null, agent: null },
    })),
    ...states.map((state) =>
      scene(`approve-${state}`, 'approve-end', { state, clientName: longName, signInUrl: null }),
    ),
    scene('approve-other', 'approve-end', {
      state: 'other-account',
      clientName: null,
      signInUrl: '/authorize?prompt=login',
    }),
  ];
}

function errorScenes(): Scene[] {
  return errorKinds.map((kind) =>
    scene(`error-${kind}`, 'error', {
      status: 400,
      ...errorMessageIds(kind),
      values: { seconds: 30, minutes: 15 },
      onward: { href: '/', labelId: 'error.onward.restart' },
      technical:
        kind === 'redirect-uri'
          ? { error: 'invalid_request', description: 'redirect_uri did not match any registered' }
          : null,
    }),
  );
}

function signInErrorScenes(): Scene[] {
  return signInErrors.map((id) =>
    scene(`sign-in-${id.split('.').at(-1)}`, 'sign-in', {
      ...signIn,
      identifier: 'khue.nguyen@example.vn',
      organisation: 'acme',
      error: { id, values: { minutes: 5 } },
    }),
  );
}

/** Every page in every state worth telling apart. */
export const scenes: readonly Scene[] = [
  scene('landing', 'landing', landing),
  scene('landing-signed-in', 'landing', { ...landing, signedIn: account, demoUrl: null }),
  scene('landing-bare', 'landing', { ...landing, docsLinks: [], demoUrl: null }),
  scene('sign-in', 'sign-in', signIn),
  scene('sign-in-ways', 'sign-in', {
    ...signIn,
    notice: 'sign-in.notice.verified',
    ways: {
      ...{ emailCode: '/e', smsCode: '/s', forgot: '/f', signUp: '/r', accounts: '/a' },
      passkey: null,
    },
  }),
  scene('sign-in-tenant', 'sign-in', { ...signIn, showOrganisation: false }, tenant),
  scene('sign-in-long', 'sign-in', { ...signIn, clientName: longName }, tenant),
  scene('sign-in-no-client', 'sign-in', { ...signIn, clientName: null, cancelAction: null }),
  scene('sign-in-fields', 'sign-in', {
    ...signIn,
    fieldErrors: {
      identifier: 'sign-in.field.identifier-required',
      password: 'sign-in.field.password-required',
    },
  }),
  ...signInErrorScenes(),
  scene('consent', 'consent', consent),
  scene('consent-tenant', 'consent', consent, tenant),
  scene('consent-long', 'consent', (locale) => {
    const usual = consent(locale);
    const client = { ...usual.client, name: longName, host: `${'sub.'.repeat(20)}example.org` };
    return { ...usual, client, account: longAccount };
  }),
  scene('consent-bare', 'consent', (locale) => {
    const usual = consent(locale);
    const none = { host: null, clientUri: null, policyUri: null, tosUri: null };
    const client = { ...usual.client, ...none };
    return { ...usual, client, scopes: [], resources: [], offlineAccess: true };
  }),
  scene('logout', 'logout', logout),
  scene('logout-plain', 'logout', { ...logout, clientName: null, account: null }, tenant),
  scene('continue', 'continue', onward),
  scene('continue-tenant', 'continue', onward, tenant),
  scene('signed-out', 'signed-out', {
    clientName: 'Acme Calendar',
    returnUrl: 'https://calendar.acme.example/',
    signInUrl: '/',
    everywhereUrl: '/logout/everywhere',
  }),
  scene('signed-out-plain', 'signed-out', {
    clientName: null,
    returnUrl: null,
    signInUrl: '/',
    everywhereUrl: '/logout/everywhere',
  }),
  ...accountScenes(scene),
  ...areaScenes(scene),
  ...securityScenes(scene),
  ...secondFactorScenes(scene),
  ...deviceScenes(),
  ...approveScenes(),
  ...errorScenes(),
  scene('not-found', 'not-found', { homeUrl: '/' }),
];
