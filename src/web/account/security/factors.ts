import type { Authenticators } from '../../../features/authenticator/index.ts';
import {
  type Authenticator,
  authenticatorName,
  type RecoveryCodesPort,
  type UserRef,
} from '../../../features/mfa/index.ts';
import type { SessionService } from '../../../features/session/index.ts';
import { MOST_APPS } from '../../../features/totp/index.ts';
import type { UserService } from '../../../features/user/index.ts';
import { MOST_CREDENTIALS } from '../../../features/webauthn/index.ts';
import { AppError } from '../../../kernel/errors.ts';
import type { FactorLine, FormError, Pages } from '../../../pages/index.ts';
import { dayOf } from '../dates.ts';
import { type AccountPage, type AccountVisit, accountPage } from '../page.ts';
import { type Words, wordsFor } from './words.ts';

export const SECURITY = '/account/security';
export const OTHERS = '/account/sessions/others';
export const RECOVERY = `${SECURITY}/recovery-codes`;
const PASSWORD = '/account/password';

/** Recovery codes below which a person is told to make new ones. */
const FEW_CODES = 3;

export interface FactorDeps {
  authenticators: Pick<Authenticators, 'describe' | 'rename' | 'remove' | 'generateRecoveryCodes'>;
  recoveryCodes: Pick<RecoveryCodesPort, 'generateFirst' | 'status'>;
  sessions: Pick<SessionService, 'list'>;
  users: Pick<UserService, 'findPassword'>;
  texts: Pick<Pages, 'text'>;
}

export const refOf = ({ person }: AccountVisit): UserRef => ({
  id: person.id,
  tenantId: person.tenantId,
});

/** What apps and devices show beside a code or a passkey. */
export const labelOf = ({ person, tenant }: AccountVisit): string =>
  person.email ?? person.username ?? person.phone ?? person.name ?? tenant.name;

export const toFactorLine = (one: Authenticator, words: Words): FactorLine => ({
  name: one.name,
  added: words.when(one.createdAt),
  lastUsed: one.lastUsedAt && words.when(one.lastUsedAt),
  isSynced: one.isBackedUp ?? false,
  isDisabled: one.isDisabled ?? false,
  renameUrl: `${SECURITY}/factors/${one.id}/rename`,
  removeUrl: `${SECURITY}/factors/${one.id}/remove`,
});

/** Authenticators that a person can be asked for. */
export const usable = (all: readonly Authenticator[]): Authenticator[] =>
  all.filter(({ isDisabled }) => !isDisabled);

/** A name as it was typed; undefined for none that can be taken. */
export const readName = (typed: string | undefined): string | undefined =>
  authenticatorName.safeParse(typed ?? '').data;

/** Where a change of factors leads: to an offer to end other sessions, where there are any (ASVS 7.4.3). */
export async function afterChange(
  { sessions }: Pick<FactorDeps, 'sessions'>,
  { person, session }: AccountVisit,
): Promise<string> {
  const live = await sessions.list(person.tenantId, person.id);
  return live.some(({ id }) => id !== session.id) ? OTHERS : SECURITY;
}

function warningsOf(count: number, left: number | null): FormError[] {
  if (count === 0) return [];
  const codes: FormError[] =
    left === null
      ? [{ id: 'account.security.warning.no-codes' }]
      : left < FEW_CODES
        ? [{ id: 'account.security.warning.few-codes', values: { left } }]
        : [];
  return count === 1 ? [{ id: 'account.security.warning.last' }, ...codes] : codes;
}

/** How somebody signs in, and how well that is protected. */
export const securityPage = (deps: FactorDeps): AccountPage =>
  accountPage({
    path: SECURITY,
    section: 'security',
    async get(visit) {
      const words = wordsFor(deps.texts, visit);
      const [found, password] = await Promise.all([
        deps.authenticators.describe(refOf(visit)),
        deps.users.findPassword(visit.person.tenantId, visit.person.id),
      ]);
      const { authenticators: all, recoveryCodes: codes } = found;
      const linesOf = (type: Authenticator['type']) =>
        all.filter((one) => one.type === type).map((one) => toFactorLine(one, words));
      const [passkeys, apps] = [linesOf('webauthn'), linesOf('totp')];
      const count = usable(all).length;
      await visit.render('account-security', {
        organisation: visit.tenant.name,
        // One that is blocked keeps the account closed all the same.
        isOn: all.length > 0,
        isRequired: found.isRequired,
        warnings: warningsOf(count, codes?.left ?? null),
        passkeys,
        apps,
        addPasskeyUrl: passkeys.length < MOST_CREDENTIALS ? `${SECURITY}/passkeys/new` : null,
        addAppUrl: apps.length < MOST_APPS ? `${SECURITY}/apps/new` : null,
        recovery: codes && {
          left: codes.left,
          made: words.when(codes.createdAt),
          isLow: codes.left < FEW_CODES,
        },
        recoveryUrl: all.length > 0 ? RECOVERY : null,
        passwordSince: password ? dayOf(visit, password.changedAt) : null,
        passwordUrl: PASSWORD,
      });
    },
  });

/** One of the person's own. @throws AppError IDENT_NOT_FOUND for any other id */
async function findOwn(deps: FactorDeps, visit: AccountVisit) {
  const found = await deps.authenticators.describe(refOf(visit));
  const factor = found.authenticators.find(({ id }) => id === visit.params.id);
  if (!factor) throw new AppError('IDENT_NOT_FOUND');
  return { ...found, factor };
}

export const isCode = (error: unknown, code: AppError['code']): boolean =>
  error instanceof AppError && error.code === code;

/** Gives an authenticator another name. */
function renamePage(deps: FactorDeps): AccountPage {
  async function show(visit: AccountVisit, typed?: string): Promise<void> {
    const { factor } = await findOwn(deps, visit);
    await visit.render(
      'account-factor-rename',
      {
        action: `${SECURITY}/factors/${factor.id}/rename`,
        error: typed === undefined ? null : { id: 'account.error.name' },
        type: factor.type,
        name: typed ?? factor.name,
      },
      typed === undefined ? 200 : 400,
    );
  }
  return accountPage({
    path: `${SECURITY}/factors/:id/rename`,
    section: 'security',
    fresh: true,
    get: (visit) => show(visit),
    async post(visit, form) {
      const name = readName(form.get('name'));
      if (name === undefined) return show(visit, form.get('name') ?? '');
      await deps.authenticators.rename(refOf(visit), visit.params.id ?? '', name);
      visit.redirect(SECURITY, { id: 'account.notice.renamed' });
    },
  });
}

/** Asks before it takes an authenticator away. */
function removePage(deps: FactorDeps): AccountPage {
  async function show(visit: AccountVisit, isRefused = false): Promise<void> {
    const { factor, authenticators: all, isRequired } = await findOwn(deps, visit);
    const working = usable(all);
    const isLast = (working.length > 0 ? working : all).every(({ id }) => id === factor.id);
    const line = toFactorLine(factor, wordsFor(deps.texts, visit));
    await visit.render(
      'account-factor-remove',
      {
        action: line.removeUrl,
        error: null,
        type: factor.type,
        organisation: visit.tenant.name,
        factor: line,
        isLast,
        isNeeded: isRefused || (isLast && isRequired && !factor.isDisabled),
      },
      isRefused ? 409 : 200,
    );
  }
  return accountPage({
    path: `${SECURITY}/factors/:id/remove`,
    section: 'security',
    fresh: true,
    get: (visit) => show(visit),
    async post(visit) {
      try {
        await deps.authenticators.remove(refOf(visit), visit.params.id ?? '');
      } catch (error) {
        if (!isCode(error, 'IDENT_INVALID_TRANSITION')) throw error;
        return show(visit, true);
      }
      visit.redirect(await afterChange(deps, visit), { id: 'account.notice.factor-removed' });
    },
  });
}

export const factorPages = (deps: FactorDeps): AccountPage[] => [
  securityPage(deps),
  renamePage(deps),
  removePage(deps),
];
