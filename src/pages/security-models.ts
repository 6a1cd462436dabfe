import type { InShell } from './account-area-models.ts';
import type { FormError } from './account-models.ts';
import type { ScopeLine } from './types.ts';

/** An instant, as a machine and as a person reads it. */
export interface Moment {
  iso: string;
  text: string;
}

/** A form of the account page. */
interface AreaForm extends InShell {
  action: string;
  error: FormError | null;
}

/** A passkey or an authenticator app, as its owner sees it in a list. */
export interface FactorLine {
  name: string;
  added: Moment;
  lastUsed: Moment | null;
  isSynced: boolean;
  isDisabled: boolean;
  renameUrl: string;
  removeUrl: string;
}

/** How somebody signs in, and how well that is protected. */
export interface AccountSecurityModel extends InShell {
  organisation: string;
  isOn: boolean;
  isRequired: boolean;
  /** Messages of `account.security.warning.*`. */
  warnings: FormError[];
  passkeys: FactorLine[];
  apps: FactorLine[];
  /** Null where there are as many as there can be. */
  addPasskeyUrl: string | null;
  addAppUrl: string | null;
  recovery: { left: number; made: Moment; isLow: boolean } | null;
  /** Null where there is nothing yet that the codes would stand in for. */
  recoveryUrl: string | null;
  /** The day of its last change, in words; null without one. */
  passwordSince: string | null;
  passwordUrl: string;
}

export interface AccountAppNewModel extends AreaForm {
  name: string;
}

/** An app that is being set up. */
export interface AccountAppModel extends AreaForm {
  name: string;
  qr: { size: number; path: string };
  /** `otpauth://…`, for an app on this device. */
  uri: string;
  /** In groups of four. */
  secret: string;
}

export interface AccountPasskeyNewModel extends AreaForm {
  name: string;
  optionsUrl: string;
  appUrl: string;
}

export interface AccountFactorRenameModel extends AreaForm {
  type: 'webauthn' | 'totp';
  name: string;
}

export interface AccountFactorRemoveModel extends AreaForm {
  type: 'webauthn' | 'totp';
  organisation: string;
  factor: FactorLine;
  /** Whether nothing else is left then. */
  isLast: boolean;
  /** Whether the organisation insists on it. */
  isNeeded: boolean;
}

export interface AccountRecoveryModel extends InShell {
  action: string;
  left: number;
  made: Moment | null;
  /** Whether there is anything that the codes would stand in for. */
  hasFactor: boolean;
}

/** Recovery codes, the one time that they are shown. */
export interface AccountRecoveryCodesModel extends InShell {
  codes: string[];
  /** Whether they came with the first authenticator. */
  isFirst: boolean;
  account: string;
  organisation: string;
  made: Moment;
  fileAction: string;
  doneUrl: string;
}

/** A device that somebody is signed in on. */
export interface SessionLine {
  device: string;
  /** Whether it is a phone or a tablet. */
  isHandheld: boolean;
  ip: string | null;
  began: Moment;
  seen: Moment;
  /** How it was signed in, in words. */
  how: string;
  apps: string[];
  endUrl: string;
}

export interface AccountSessionsModel extends InShell {
  current: SessionLine | null;
  others: SessionLine[];
  othersUrl: string;
}

export interface AccountSessionEndModel extends InShell {
  action: string;
  session: SessionLine;
}

export interface AccountSessionsOthersModel extends InShell {
  action: string;
  count: number;
  others: SessionLine[];
  keepUrl: string;
}

/** An application that may use the account. */
export interface ApplicationLine {
  name: string;
  isOwn: boolean;
  isAway: boolean;
  used: Moment;
  since: Moment;
  url: string;
}

export interface AccountApplicationsModel extends InShell {
  applications: ApplicationLine[];
}

export interface AccountApplicationModel extends InShell {
  action: string;
  application: ApplicationLine;
  /** Whose address it is that it describes itself at. */
  host: string | null;
  siteUrl: string | null;
  scopes: ScopeLine[];
  resources: { name: string; scopes: ScopeLine[] }[];
}

/** Something that happened to an account. */
export interface HistoryLine {
  at: Moment;
  /** A message of `account.history.*`, with what it is about. */
  title: FormError;
  icon: string;
  tone: '' | 'warn' | 'bad';
  device: string | null;
  ip: string | null;
  how: string | null;
  app: string | null;
  /** Messages of `account.history.reason.*` and `account.history.by.*`. */
  why: string | null;
}

export interface AccountHistoryModel extends InShell {
  days: { day: string; lines: HistoryLine[] }[];
  newestUrl: string | null;
  olderUrl: string | null;
}

/** Pages of the account about how it is protected and what has access to it. */
export interface SecurityAreaModels {
  'account-security': AccountSecurityModel;
  'account-app-new': AccountAppNewModel;
  'account-app': AccountAppModel;
  'account-passkey-new': AccountPasskeyNewModel;
  'account-factor-rename': AccountFactorRenameModel;
  'account-factor-remove': AccountFactorRemoveModel;
  'account-recovery': AccountRecoveryModel;
  'account-recovery-codes': AccountRecoveryCodesModel;
  'account-sessions': AccountSessionsModel;
  'account-session-end': AccountSessionEndModel;
  'account-sessions-others': AccountSessionsOthersModel;
  'account-applications': AccountApplicationsModel;
  'account-application': AccountApplicationModel;
  'account-history': AccountHistoryModel;
}
