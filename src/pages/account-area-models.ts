import type { FormError, Strength } from './account-models.ts';
import type { AccountShell } from './account-shell.ts';
import type { SecurityAreaModels } from './security-models.ts';

/**
 * Rooms of the account page, in the order of its list; each belongs to a group,
 * whose label is a message.
 */
export const accountSections = {
  overview: { icon: 'home', group: null },
  profile: { icon: 'profile', group: 'account.group.person' },
  contact: { icon: 'email', group: 'account.group.person' },
  security: { icon: 'shield', group: 'account.group.security' },
  sessions: { icon: 'device', group: 'account.group.security' },
  history: { icon: 'history', group: 'account.group.security' },
  applications: { icon: 'apps', group: 'account.group.data' },
  data: { icon: 'download', group: 'account.group.data' },
} as const;
export type AccountSection = keyof typeof accountSections;

/** A page within the shell. */
export interface InShell {
  shell: AccountShell;
}

/** An address and what is known of it. */
export interface AddressLine {
  value: string;
  isVerified: boolean;
}

/** Who the person is, and how well the account is protected. */
export interface OverviewModel extends InShell {
  organisation: string;
  email: AddressLine | null;
  phone: AddressLine | null;
  /** When the password was set, in words; null without one. */
  passwordSince: string | null;
  /** Authenticator apps and passkeys that still open something. */
  apps: number;
  passkeys: number;
  /** Recovery codes that are left; null where there are none. */
  recoveryCodes: number | null;
  isSecondFactorRequired: boolean;
  sessions: number;
  urls: Record<'password' | 'profile' | 'contact' | 'security' | 'sessions', string>;
}

/** One attribute that the organisation has defined, as a field. */
export interface AttributeField {
  name: string;
  label: string;
  description: string | null;
  kind: 'text' | 'number' | 'choice' | 'yes-no' | 'shown';
  /** Of `text`: the type of the input. */
  inputType: 'text' | 'date' | 'email' | 'url';
  value: string;
  options: string[];
  isRequired: boolean;
  /** Of `text`, characters; of `number`, its bounds. */
  min: number | null;
  max: number | null;
  error: FormError | null;
}

export interface ProfileModel extends InShell {
  action: string;
  /** The version that was read, so that nobody's change is lost. */
  version: number;
  username: string | null;
  values: Record<'name' | 'givenName' | 'familyName' | 'locale' | 'zoneinfo', string>;
  zones: { region: string; zones: { name: string; label: string }[] }[];
  attributes: AttributeField[];
  error: FormError | null;
  fieldErrors: Partial<Record<'name' | 'givenName' | 'familyName' | 'zoneinfo', FormError>>;
}

export interface ContactModel extends InShell {
  email: AddressLine | null;
  phone: AddressLine | null;
  username: string | null;
  emailUrl: string;
  phoneUrl: string;
}

/** Another address: where it is typed, and then the code that was sent to it. */
export interface AddressModel extends InShell {
  scheme: 'email' | 'phone';
  action: string;
  backUrl: string;
  present: AddressLine | null;
  value: string;
  error: FormError | null;
  fieldError: FormError | null;
}

export interface AddressCodeModel extends InShell {
  scheme: 'email' | 'phone';
  action: string;
  resendAction: string;
  backUrl: string;
  sentTo: string;
  error: FormError | null;
  fieldError: FormError | null;
}

export interface PasswordModel extends InShell {
  action: string;
  /** When the present one was set, in words; null where there is none. */
  since: string | null;
  /** Where a link to set one is sent; null where there is no address that was verified. */
  mailTo: string | null;
  mailAction: string;
  forgotUrl: string;
  contactUrl: string;
  backUrl: string;
  minLength: number;
  strength?: Strength;
  error: FormError | null;
  fieldErrors: { current?: FormError; password?: FormError };
}

export interface DataModel extends InShell {
  downloadUrl: string;
  deleteUrl: string;
}

export interface DeleteModel extends InShell {
  action: string;
  backUrl: string;
  /** What is to be typed. */
  word: string;
  organisation: string;
  /** Where the mail that confirms it goes. */
  mailTo: string | null;
  fieldError: FormError | null;
}

/** Every page of the account page. */
export interface AccountAreaModels extends SecurityAreaModels {
  'account-overview': OverviewModel;
  'account-profile': ProfileModel;
  'account-contact': ContactModel;
  'account-address': AddressModel;
  'account-address-code': AddressCodeModel;
  'account-password': PasswordModel;
  'account-data': DataModel;
  'account-delete': DeleteModel;
}
