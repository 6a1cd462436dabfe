import type { AccountPage } from '../page.ts';
import { type ApplicationPageDeps, applicationPages } from './applications.ts';
import { type AppDeps, appPages } from './apps.ts';
import { factorPages } from './factors.ts';
import { type HistoryDeps, historyPage } from './history.ts';
import { type PasskeyDeps, passkeyPages } from './passkeys.ts';
import { recoveryPages } from './recovery.ts';
import { type SessionPageDeps, sessionPages } from './sessions.ts';

export type SecurityDeps = AppDeps &
  PasskeyDeps &
  SessionPageDeps &
  ApplicationPageDeps &
  HistoryDeps;

/** How somebody signs in, where they are signed in, what has access, and what happened. */
export const securityPages = (deps: SecurityDeps): AccountPage[] => [
  ...factorPages(deps),
  ...appPages(deps),
  ...passkeyPages(deps),
  ...recoveryPages(deps),
  ...sessionPages(deps),
  ...applicationPages(deps),
  historyPage(deps),
];
