import type { FormError } from './account-models.ts';
import type { Account } from './types.ts';

/** A page of the account in its list: a message, and one of the icons of views/partials/icon.eta. */
export interface AccountRoom {
  labelId: string;
  href: string;
  icon: string;
  isCurrent: boolean;
}

/** What views/layouts/account.eta shows around each page of the account, as `shell` of its model. */
export interface AccountShell {
  account: Account;
  /** Rooms that belong together; the first group usually has no label. */
  groups: { labelId: string | null; rooms: AccountRoom[] }[];
  /** What has just been done: a message of `accountNotices`. */
  notice: FormError | null;
  /** Where another account is chosen. */
  switchUrl: string;
  /** Where the form that signs out is sent to. */
  signOutAction: string;
  csrfToken: string;
}
