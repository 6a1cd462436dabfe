import type { TotpEnrolment, TotpPort } from '../../../features/mfa/index.ts';
import { AppError } from '../../../kernel/errors.ts';
import type { FormError } from '../../../pages/index.ts';
import { qrCode } from '../../qr-code.ts';
import { type AccountPage, type AccountVisit, accountPage } from '../page.ts';
import { afterChange, isCode, labelOf, readName, refOf, SECURITY } from './factors.ts';
import { type RecoveryDeps, showNewCodes } from './recovery.ts';
import { wordsFor } from './words.ts';

export interface AppDeps extends RecoveryDeps {
  totp: Pick<TotpPort, 'enroll' | 'pending' | 'confirm'>;
}

const NEW = `${SECURITY}/apps/new`;

/** Whom an app shows its codes for. */
const ownerOf = (visit: AccountVisit) => ({ ...refOf(visit), label: labelOf(visit) });

/** What an app is for, and its name. */
function newAppPage(deps: AppDeps): AccountPage {
  async function show(visit: AccountVisit, name: string, error: FormError | null): Promise<void> {
    const status = error === null ? 200 : 400;
    await visit.render('account-app-new', { action: NEW, error, name }, status);
  }
  return accountPage({
    path: NEW,
    section: 'security',
    fresh: true,
    get: (visit) => show(visit, wordsFor(deps.texts, visit).text('account.app.name-default'), null),
    async post(visit, form) {
      const name = readName(form.get('name'));
      if (name === undefined) {
        return show(visit, form.get('name') ?? '', { id: 'account.error.name' });
      }
      try {
        const issuerName = visit.tenant.name;
        const { id } = await deps.totp.enroll(ownerOf(visit), { name, issuerName });
        visit.redirect(`${SECURITY}/apps/${id}`);
      } catch (error) {
        if (!isCode(error, 'IDENT_VALIDATION')) throw error;
        await show(visit, name, { id: 'account.security.apps-most' });
      }
    },
  });
}

/** The seed of an app that is being set up, and its first code. */
function appPage(deps: AppDeps): AccountPage {
  /** @throws AppError IDENT_NOT_FOUND where nothing of the person's waits for a code under this id */
  async function findPending(visit: AccountVisit): Promise<TotpEnrolment> {
    const id = visit.params.id ?? '';
    const found = await deps.totp.pending(ownerOf(visit), id, { issuerName: visit.tenant.name });
    if (!found) throw new AppError('IDENT_NOT_FOUND');
    return found;
  }

  async function show(visit: AccountVisit, error: FormError | null): Promise<void> {
    const { id, uri, secret } = await findPending(visit);
    await visit.render(
      'account-app',
      {
        action: `${SECURITY}/apps/${id}`,
        error,
        name: labelOf(visit),
        qr: qrCode(uri),
        uri,
        secret: (secret.match(/.{1,4}/g) ?? []).join(' '),
      },
      error === null ? 200 : 400,
    );
  }

  return accountPage({
    path: `${SECURITY}/apps/:id`,
    section: 'security',
    fresh: true,
    get: (visit) => show(visit, null),
    async post(visit, form) {
      const user = refOf(visit);
      try {
        await deps.totp.confirm(user, visit.params.id ?? '', form.get('code') ?? '');
      } catch (error) {
        if (isCode(error, 'IDENT_VALIDATION')) {
          return show(visit, { id: 'account.app.wrong-code' });
        }
        // Set up already, by this form sent twice, or too late.
        if (isCode(error, 'IDENT_TOKEN_SPENT')) return visit.redirect(SECURITY);
        throw error;
      }
      const codes = await deps.recoveryCodes.generateFirst(user);
      if (codes.length > 0) return showNewCodes(deps, visit, codes, true);
      visit.redirect(await afterChange(deps, visit), { id: 'account.notice.app-added' });
    },
  });
}

/** Pages to add an authenticator app; `new` comes before what could be an id. */
export const appPages = (deps: AppDeps): AccountPage[] => [newAppPage(deps), appPage(deps)];
