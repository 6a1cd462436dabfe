import type Router from '@koa/router';
import { type ContactDeps, contactPages } from './contact.ts';
import { type DataPageDeps, dataPages } from './data.ts';
import { createAccountArea, type FrameDeps } from './frame.ts';
import { type OverviewDeps, overviewPage } from './overview.ts';
import { type PasswordPageDeps, passwordPages } from './password.ts';
import { type ProfilePageDeps, profilePage } from './profile.ts';
import { type SecurityDeps, securityPages } from './security/index.ts';

export type AccountAreaDeps = FrameDeps &
  OverviewDeps &
  ProfilePageDeps &
  ContactDeps &
  PasswordPageDeps &
  SecurityDeps &
  DataPageDeps;

/** The account page with all its pages. */
export function createAccountPages(deps: AccountAreaDeps): Router {
  const rooms = [
    profilePage(deps),
    ...contactPages(deps),
    ...securityPages(deps),
    ...passwordPages(deps),
    ...dataPages(deps),
  ];
  const urls = {
    password: '/account/password',
    profile: '/account/profile',
    contact: '/account/contact',
    security: '/account/security',
    sessions: '/account/sessions',
  };
  return createAccountArea(deps, [overviewPage(deps, urls), ...rooms]);
}
