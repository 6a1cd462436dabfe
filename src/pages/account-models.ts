import type { Account, MessageValues } from './types.ts';

/** What is wrong with a form or a field of it: a message and its values. */
export interface FormError {
  id: string;
  values?: MessageValues;
}

/** A form of a sign-in: where it is sent, and the way back to the sign-in page. */
interface StepForm {
  action: string;
  csrfToken: string;
  error: FormError | null;
  /** Null where the person came from elsewhere than a sign-in. */
  backUrl: string | null;
}

/** Who signs up, and with what. */
export interface SignUpModel extends StepForm {
  clientName: string | null;
  /** Identifiers that can be signed up with, at least one. */
  takes: ('email' | 'phone' | 'username')[];
  identifier: string;
  name: string;
  /** Shortest password, in characters. */
  minLength: number;
  strength?: Strength;
  fieldErrors: { identifier?: FormError; name?: FormError; password?: FormError };
}

/**
 * How hard the password is to guess that was typed before the form came back: 0, guessed at
 * once, to 4; null where nobody knows.
 */
export type Strength = 0 | 1 | 2 | 3 | 4 | null;

/** Where a person says who they are, to be sent a code. */
export interface IdentifyModel extends StepForm {
  purpose: 'email-code' | 'sms-code' | 'forgot-password';
  identifier: string;
  organisation: string;
  /** False leaves the organisation field out; a value still travels as a hidden field. */
  showOrganisation: boolean;
  fieldError: FormError | null;
}

/** Where a code from a message is typed. */
export interface CodeModel extends StepForm {
  purpose: 'email-code' | 'sms-code' | 'verify-email' | 'verify-phone';
  resendAction: string;
  /** Where to go once the link of the message was opened; null where it has none. */
  openedUrl: string | null;
  /** What was typed, or where the message went. */
  sentTo: string;
  /** Minutes that a code is good for. */
  minutes: number;
  isResent: boolean;
}

/** A new password, with the code of a message or by its link. */
export interface ResetModel extends StepForm {
  /** What was typed; null for whoever came by the link. */
  sentTo: string | null;
  /** The link's; null for whoever types the code. */
  token: string | null;
  resendAction: string | null;
  code: string;
  minLength: number;
  strength?: Strength;
  isResent: boolean;
  fieldErrors: { code?: FormError; password?: FormError };
}

/** Whose link it is to confirm an address by. */
export interface ConfirmEmailModel {
  action: string;
  csrfToken: string;
  token: string;
}

/** Accounts that this browser is signed in to. */
export interface AccountsModel {
  action: string;
  forgetAction: string;
  anotherAction: string;
  cancelAction: string;
  csrfToken: string;
  clientName: string | null;
  accounts: { handle: string; account: Account; isCurrent: boolean }[];
}

export interface EverywhereModel {
  action: string;
  csrfToken: string;
  account: Account;
  stayUrl: string;
}

/** How something about an account ended. */
export interface AccountEndModel {
  state:
    | 'password-reset'
    | 'email-verified'
    | 'signed-out-everywhere'
    | 'link-spent'
    | 'factor-failed'
    | 'factor-expired'
    | 'account-deleted';
  onward: { href: string; labelId: string } | null;
}

/** The pages by which people get an account, prove that it is theirs, and keep it. */
export interface AccountPageModels {
  'sign-up': SignUpModel;
  identify: IdentifyModel;
  code: CodeModel;
  reset: ResetModel;
  'confirm-email': ConfirmEmailModel;
  accounts: AccountsModel;
  everywhere: EverywhereModel;
  'account-end': AccountEndModel;
}
