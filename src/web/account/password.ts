import { ACCOUNT_CLIENT_ID } from '../../features/client/index.ts';
import type { PasswordPolicy, PasswordService } from '../../features/password/index.ts';
import { type UserService, wordsOf } from '../../features/user/index.ts';
import { currentRequest } from '../../kernel/current-request.ts';
import { AppError } from '../../kernel/errors.ts';
import type { FormError, PasswordModel } from '../../pages/index.ts';
import type { DeviceCookies } from '../device-cookies.ts';
import type { Form } from '../forms.ts';
import { toPasswordError } from '../step-failures.ts';
import { dayOf } from './dates.ts';
import { type AccountPage, type AccountVisit, accountPage } from './page.ts';

export interface PasswordPageDeps {
  users: Pick<UserService, 'findPassword'>;
  password: Pick<PasswordService, 'change' | 'forgot'>;
  passwordPolicy: Pick<PasswordPolicy, 'strength'>;
  deviceCookies: Pick<DeviceCookies, 'read'>;
}

const PATH = '/account/password';

type Wrong = Partial<Pick<PasswordModel, 'error' | 'fieldErrors' | 'strength'>>;

/** What is missing before anything is looked at. */
function missing(current: string, password: string): PasswordModel['fieldErrors'] {
  const required: FormError = { id: 'password.error.required' };
  return {
    ...(current === '' ? { current: { id: 'account.password.current-required' } } : {}),
    ...(password === '' ? { password: required } : {}),
  };
}

/** The password: changed by whoever knows it, set by a link where there is none. */
export function passwordPages(deps: PasswordPageDeps): AccountPage[] {
  async function show(visit: AccountVisit, wrong: Wrong = {}, status?: number): Promise<void> {
    const { person, tenant } = visit;
    const present = await deps.users.findPassword(person.tenantId, person.id);
    const model = {
      action: PATH,
      since: present ? dayOf(visit, present.changedAt) : null,
      mailTo: person.emailVerified ? person.email : null,
      mailAction: `${PATH}/mail`,
      forgotUrl: `/forgot-password?tenant=${encodeURIComponent(tenant.slug)}`,
      contactUrl: '/account/contact',
      backUrl: '/account/security',
      minLength: tenant.settings.passwordMinLength,
      ...{ error: null, fieldErrors: {} },
      ...wrong,
    };
    await visit.render('account-password', model, status);
  }

  async function change(visit: AccountVisit, form: Form): Promise<void> {
    const currentPassword = form.get('current') ?? '';
    const newPassword = form.get('password') ?? '';
    const fieldErrors = missing(currentPassword, newPassword);
    if (Object.keys(fieldErrors).length > 0) return show(visit, { fieldErrors }, 400);
    try {
      await deps.password.change({
        ...{ currentPassword, newPassword },
        userId: visit.person.id,
        sessionId: visit.session.id,
        clientId: ACCOUNT_CLIENT_ID,
        clientIp: currentRequest()?.clientIp ?? null,
        device: deps.deviceCookies.read(visit.ctx),
      });
    } catch (error) {
      return refuse(visit, error, newPassword);
    }
    visit.redirect(PATH, { id: 'account.notice.password' });
  }

  async function refuse(visit: AccountVisit, error: unknown, typed: string): Promise<void> {
    const password = toPasswordError(error, visit.tenant.settings.passwordMinLength);
    const strength = await deps.passwordPolicy.strength(typed, wordsOf(visit.person));
    if (password) return show(visit, { strength, fieldErrors: { password } }, 400);
    if (error instanceof AppError && error.code === 'IDENT_INVALID_CREDENTIALS') {
      const current = { id: 'account.password.current-wrong' };
      return show(visit, { strength, fieldErrors: { current } }, error.status);
    }
    const { status, error: said } = visit.explain(error);
    await show(visit, { strength, error: said }, status);
  }

  async function sendLink(visit: AccountVisit): Promise<void> {
    const { person, locale } = visit;
    if (!person.emailVerified || person.email === null) return visit.redirect(PATH);
    const claim = { identifier: person.email, tenantId: person.tenantId, organisation: null };
    try {
      await deps.password.forgot(claim, locale);
    } catch (error) {
      const { status, error: said } = visit.explain(error);
      return show(visit, { error: said }, status);
    }
    visit.redirect(PATH, { id: 'account.notice.password-mail', values: { email: person.email } });
  }

  return [
    accountPage({
      path: PATH,
      section: 'security',
      fresh: true,
      get: (visit) => show(visit),
      post: change,
    }),
    accountPage({ path: `${PATH}/mail`, section: 'security', from: PATH, post: sendLink }),
  ];
}
