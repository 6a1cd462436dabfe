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

/** What a person sees first: who they are, and how well the account is protected. */
export interface OverviewModel extends InShell {
  organisation: string;
}

/** Every page of the account page. */
export interface AccountAreaModels extends SecurityAreaModels {
  'account-overview': OverviewModel;
}
