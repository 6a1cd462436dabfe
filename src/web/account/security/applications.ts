import type {
  ConnectedApplication,
  ConnectedApplicationService,
} from '../../../features/connected-application/index.ts';
import { AppError } from '../../../kernel/errors.ts';
import type { ApplicationLine, Pages } from '../../../pages/index.ts';
import { type AccountPage, type AccountVisit, accountPage } from '../page.ts';
import { type Words, wordsFor } from './words.ts';

export interface ApplicationPageDeps {
  applications: ConnectedApplicationService;
  texts: Pick<Pages, 'text'>;
}

const APPLICATIONS = '/account/applications';

const toLine = (one: ConnectedApplication, words: Words): ApplicationLine => ({
  name: one.name,
  isOwn: one.isFirstParty,
  isAway: one.hasRefreshTokens && one.scopes.some(({ scope }) => scope === 'offline_access'),
  used: words.when(one.lastUsedAt),
  since: words.when(one.since),
  url: `${APPLICATIONS}/${one.id}`,
});

const listOf = ({ applications }: ApplicationPageDeps, { person, locale }: AccountVisit) =>
  applications.list(person.id, locale);

/** Applications that may use the account. */
const applicationsPage = (deps: ApplicationPageDeps): AccountPage =>
  accountPage({
    path: APPLICATIONS,
    section: 'applications',
    async get(visit) {
      const words = wordsFor(deps.texts, visit);
      const all = await listOf(deps, visit);
      await visit.render('account-applications', {
        applications: all.map((one) => toLine(one, words)),
      });
    },
  });

/** What one of them may do, and taking it back (ASVS 10.7.3). */
function applicationPage(deps: ApplicationPageDeps): AccountPage {
  async function find(visit: AccountVisit): Promise<ConnectedApplication> {
    const found = (await listOf(deps, visit)).find(({ id }) => id === visit.params.id);
    if (!found) throw new AppError('IDENT_NOT_FOUND');
    return found;
  }
  return accountPage({
    path: `${APPLICATIONS}/:id`,
    section: 'applications',
    async get(visit) {
      const found = await find(visit);
      const application = toLine(found, wordsFor(deps.texts, visit));
      await visit.render('account-application', {
        action: application.url,
        application,
        host: found.host,
        siteUrl: found.clientUri,
        scopes: found.scopes,
        resources: found.resources.map(({ name, scopes }) => ({ name, scopes })),
      });
    },
    async post(visit) {
      const { id, name } = await find(visit);
      await deps.applications.revoke(visit.person.id, id);
      visit.redirect(APPLICATIONS, { id: 'account.notice.disconnected', values: { app: name } });
    },
  });
}

export const applicationPages = (deps: ApplicationPageDeps): AccountPage[] => [
  applicationsPage(deps),
  applicationPage(deps),
];
