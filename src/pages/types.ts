import type { AccountAreaModels } from './account-area-models.ts';
import type { AccountPageModels } from './account-models.ts';
import type { DevPageModels } from './dev-models.ts';
import type { SecondFactorPageModels } from './second-factor-models.ts';

/** Languages the hosted pages speak. */
export type Locale = 'en' | 'vi';

/** Values a message may take; names come from outside and are hostile by default. */
export type MessageValues = Record<string, string | number>;

/** Who the page belongs to. `tenantId` is null on pages of the provider itself. */
export interface Brand {
  tenantId: string | null;
  name: string;
  logoUrl: string | null;
  /** True when `/assets/brand/<tenantId>.css` exists. */
  hasColour: boolean;
}

/** What surrounds every page, whatever its content. */
export interface Frame {
  locale: Locale;
  brand: Brand;
  languageLinks: { locale: Locale; href: string; current: boolean }[];
  requestId: string;
}

export interface Account {
  name: string;
  identifier: string;
}

/** One line of what an app asks for; an empty title falls back to the scope itself. */
export interface ScopeLine {
  scope: string;
  title: string;
  description: string | null;
}

export interface LandingModel {
  signedIn: Account | null;
  issuer: string;
  discoveryUrl: string;
  everywhereUrl: string;
  accountUrl: string;
  docsLinks: { href: string; labelId: string }[];
  demoUrl: string | null;
}

export interface SignInModel {
  action: string;
  csrfToken: string;
  /** Where the cancel form posts to; null leaves the button out. */
  cancelAction: string | null;
  clientName: string | null;
  identifier: string;
  organisation: string;
  /** False leaves the organisation field out; a value still travels as a hidden field. */
  showOrganisation: boolean;
  error: { id: string; values?: MessageValues } | null;
  /** Message ids, `sign-in.field.*`. */
  fieldErrors: { identifier?: string; password?: string };
  /** A message of `sign-in.notice.*`. */
  notice: string | null;
  /** Ways beside the password, where there are any. */
  ways: {
    emailCode: string | null;
    smsCode: string | null;
    forgot: string | null;
    signUp: string | null;
    /** Other accounts that this browser is signed in to. */
    accounts: string | null;
    /** Where the answer of a passkey is posted, and its options asked for. */
    passkey: { action: string; optionsUrl: string } | null;
  };
}

export interface ConsentModel {
  action: string;
  csrfToken: string;
  client: {
    name: string;
    /** Host of the document that describes the app; null for one that is registered. */
    publishedAt: string | null;
    /** Host of the redirect URI; null for an app on this device. */
    host: string | null;
    logoUri: string | null;
    clientUri: string | null;
    policyUri: string | null;
    tosUri: string | null;
  };
  account: Account;
  scopes: ScopeLine[];
  resources: { name: string; scopes: ScopeLine[] }[];
  /** Transactions and other things that are allowed once, each with what is said about it. */
  details: ConsentDetail[];
  offlineAccess: boolean;
}

/** One of the `authorization_details` (RFC 9396): its type, and members with their values as text. */
export interface ConsentDetail {
  type: string;
  /** Values of a member that every type knows, or has for itself; `name` as the client wrote it. */
  facts: { name: string; values: string[] }[];
}

export interface LogoutModel {
  action: string;
  csrfField: { name: string; value: string };
  clientName: string | null;
  account: Account | null;
}

/** A form that passes on what the browser carries; it sends itself where scripts run. */
export interface ContinueModel {
  action: string;
  inputs: { name: string; value: string }[];
}

/** Where a code is typed that another device shows. */
export interface DeviceModel {
  action: string;
  xsrf: string;
  userCode: string;
  /** A message of `device.error.*`; `too-many` takes `minutes`. */
  error: { id: string; values?: MessageValues } | null;
}

/** Where a request came from, as far as that is known; `agent` is what it says of itself. */
export interface Origin {
  ip: string | null;
  agent: string | null;
}

export interface DeviceConfirmModel {
  action: string;
  xsrf: string;
  userCode: string;
  clientName: string;
  origin: Origin;
}

export interface DeviceEndModel {
  /** Whether the device was let in; else it was turned away. */
  isDone: boolean;
  clientName: string | null;
}

/** A request of an application that reached the person by another way than the browser. */
export interface ApproveModel {
  action: string;
  csrfToken: string;
  client: { name: string; logoUri: string | null };
  account: Account;
  /** What the application shows as well, to tell this request from another. */
  message: string | null;
  origin: Origin;
  /** Minutes that are left to answer. */
  minutes: number;
  scopes: ScopeLine[];
}

export interface ApproveEndModel {
  state: 'allowed' | 'denied' | 'gone' | 'other-account' | 'locked';
  clientName: string | null;
  /** Where another account signs in; null where that would not help. */
  signInUrl: string | null;
}

export interface SignedOutModel {
  clientName: string | null;
  returnUrl: string | null;
  signInUrl: string;
  everywhereUrl: string;
}

export interface ErrorModel {
  status: number;
  titleId: string;
  detailId: string;
  values?: MessageValues;
  onward: { href: string; labelId: string } | null;
  technical: { error: string; description: string | null } | null;
}

export interface NotFoundModel {
  homeUrl: string;
}

/** Every hosted page and the data it needs. */
export interface PageModels
  extends AccountPageModels,
    AccountAreaModels,
    DevPageModels,
    SecondFactorPageModels {
  landing: LandingModel;
  'sign-in': SignInModel;
  consent: ConsentModel;
  logout: LogoutModel;
  approve: ApproveModel;
  'approve-end': ApproveEndModel;
  continue: ContinueModel;
  device: DeviceModel;
  'device-confirm': DeviceConfirmModel;
  'device-end': DeviceEndModel;
  'signed-out': SignedOutModel;
  error: ErrorModel;
  'not-found': NotFoundModel;
}

export type PageName = keyof PageModels;

export interface PagesOptions {
  viewsDir: string | URL;
  localesDir: string | URL;
  /** Goes into every asset address as `?v=`. */
  assetVersion: string;
  /** Keep compiled templates; off while editing views. */
  cache: boolean;
}

export interface Pages {
  /** The whole HTML document of a page. */
  render<P extends PageName>(page: P, model: PageModels[P], frame: Frame): string;
  /** One message as plain text (not HTML). Throws on an unknown id or a missing value. */
  text(locale: Locale, id: string, values?: MessageValues): string;
  locales: readonly Locale[];
}
