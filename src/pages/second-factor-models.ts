import type { FormError } from './account-models.ts';

/** A form between password and sign-in. */
interface FactorForm {
  action: string;
  csrfToken: string;
  /** Names the challenge that the page was made for, so that a stale form answers no other. */
  challenge: string;
  error: FormError | null;
  /** Gives this sign-in up for one as somebody else. */
  leaveAction: string;
  cancelAction: string;
}

export type FactorMethod = 'webauthn' | 'totp' | 'recovery-code' | 'sms' | 'email';

/** Where a person presents a second factor. */
export interface SecondFactorModel extends FactorForm {
  method: FactorMethod;
  /** The app that asks for it of somebody who is signed in; null within a sign-in. */
  askedBy: string | null;
  /** Where the script asks for the options of a passkey; null for any other way. */
  optionsUrl: string | null;
  /** Has a code sent; null for what needs none. */
  sendAction: string | null;
  /** Where codes go, masked. */
  sentTo: string | null;
  /** Whether one was sent; only then there is a field for it. */
  isSent: boolean;
  isResent: boolean;
  /** Minutes that a code is good for. */
  minutes: number;
  /** Days that this browser can be remembered; 0 leaves the box out. */
  rememberDays: number;
  /** The other ways, the strongest first. */
  others: { method: FactorMethod; href: string }[];
}

/** Where a person chooses what to set up. */
export interface SetUpModel extends Omit<FactorForm, 'action' | 'challenge' | 'error'> {
  passkeyUrl: string | null;
  appUrl: string | null;
  /** Puts it off; null where that is not possible. */
  laterAction: string | null;
  /** The last day on which it can be put off, in words; null where that is not known. */
  laterUntil: string | null;
  challenge: string;
}

/** Where an authenticator app is set up. */
export interface SetUpAppModel extends FactorForm {
  /** The QR code: units of a side, and the `d` of an SVG path. */
  qr: { size: number; path: string };
  /** What the QR code says, for a device that has the app. */
  uri: string;
  /** The key in groups of four. */
  key: string;
  /** Which of the apps being set up the code is of. */
  enrolment: string;
  /** The other kinds; null where there is one kind. */
  backUrl: string | null;
}

/** Where a passkey is made. */
export interface SetUpPasskeyModel extends FactorForm {
  optionsUrl: string;
  backUrl: string | null;
}

/** The codes for the day on which everything else is lost. */
export interface RecoveryCodesModel {
  codes: string[];
  fileAction: string;
  action: string;
  csrfToken: string;
}

/** The pages of second factors within a sign-in. */
export interface SecondFactorPageModels {
  'second-factor': SecondFactorModel;
  'set-up': SetUpModel;
  'set-up-app': SetUpAppModel;
  'set-up-passkey': SetUpPasskeyModel;
  'recovery-codes': RecoveryCodesModel;
}
