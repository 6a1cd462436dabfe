import {
  type createDataExport,
  describeUser,
  type UserLifecycle,
} from '../../features/user/index.ts';
import { AppError } from '../../kernel/errors.ts';
import { emailOf } from './overview.ts';
import { type AccountPage, type AccountVisit, accountPage } from './page.ts';

export interface DataPageDeps {
  exportData: ReturnType<typeof createDataExport>;
  lifecycle: Pick<UserLifecycle, 'erase'>;
}

const PATH = '/account/data';
const DOWNLOAD = `${PATH}/download`;
const DELETE = `${PATH}/delete`;

/** All that is kept of the person, as a file (GDPR 15 and 20). */
const downloadPage = ({ exportData }: DataPageDeps): AccountPage =>
  accountPage({
    path: DOWNLOAD,
    section: 'data',
    async get({ ctx, person }) {
      const copy = await exportData(person.id, person.tenantId);
      if (!copy) throw new AppError('IDENT_NOT_FOUND');
      ctx.set('Cache-Control', 'no-store');
      ctx.attachment('account-data.json');
      ctx.type = 'application/json';
      ctx.body = `${JSON.stringify(copy, null, 2)}\n`;
    },
  });

/** Erases the account; only who has signed in a moment ago and types whose it is. */
function deletePage({ lifecycle }: DataPageDeps): AccountPage {
  const wordOf = ({ person }: AccountVisit): string => describeUser(person).identifier;

  function show(visit: AccountVisit, isWrong: boolean): Promise<void> {
    const { person, tenant } = visit;
    const email = emailOf(person);
    const model = {
      ...{ action: DELETE, backUrl: PATH, word: wordOf(visit), organisation: tenant.name },
      mailTo: email?.isVerified ? email.value : null,
      fieldError: isWrong ? { id: 'account.delete.mismatch' } : null,
    };
    return visit.render('account-delete', model, isWrong ? 400 : 200);
  }

  return accountPage({
    path: DELETE,
    section: 'data',
    fresh: true,
    get: (visit) => show(visit, false),
    async post(visit, form) {
      const typed = form.get('word')?.trim().toLowerCase() ?? '';
      if (typed !== wordOf(visit).toLowerCase()) return show(visit, true);
      const { person } = visit;
      await lifecycle.erase({ tenantId: person.tenantId, userId: person.id });
      await visit.sayGoodbye();
    },
  });
}

/** What people may do with what is kept of them. */
export const dataPages = (deps: DataPageDeps): AccountPage[] => [
  accountPage({
    path: PATH,
    section: 'data',
    get: (visit) => visit.render('account-data', { downloadUrl: DOWNLOAD, deleteUrl: DELETE }),
  }),
  downloadPage(deps),
  deletePage(deps),
];
