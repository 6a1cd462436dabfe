import { type AccountPage, accountPage } from './page.ts';

/** What a person sees first. */
export const overviewPage = (): AccountPage =>
  accountPage({
    path: '/account',
    section: 'overview',
    get: (visit) => visit.render('account-overview', { organisation: visit.tenant.name }),
  });
