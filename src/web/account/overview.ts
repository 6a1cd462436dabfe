import type { Authenticators } from '../../features/authenticator/index.ts';
import type { SessionService } from '../../features/session/index.ts';
import type { Profile, UserService } from '../../features/user/index.ts';
import type { AddressLine, OverviewModel } from '../../pages/index.ts';
import { dayOf } from './dates.ts';
import { type AccountPage, accountPage } from './page.ts';

export interface OverviewDeps {
  users: Pick<UserService, 'findPassword'>;
  sessions: Pick<SessionService, 'list'>;
  authenticators: Pick<Authenticators, 'describe'>;
}

export const emailOf = ({ email, emailVerified }: Profile): AddressLine | null =>
  email === null ? null : { value: email, isVerified: emailVerified };

export const phoneOf = ({ phone, phoneVerified }: Profile): AddressLine | null =>
  phone === null ? null : { value: phone, isVerified: phoneVerified };

/** What a person sees first: who they are, and how well the account is protected. */
export const overviewPage = (deps: OverviewDeps, urls: OverviewModel['urls']): AccountPage =>
  accountPage({
    path: '/account',
    section: 'overview',
    async get(visit) {
      const { person, tenant } = visit;
      const [password, factors, sessions] = await Promise.all([
        deps.users.findPassword(person.tenantId, person.id),
        deps.authenticators.describe(person),
        deps.sessions.list(person.tenantId, person.id),
      ]);
      const usable = factors.authenticators.filter(({ isDisabled }) => !isDisabled);
      await visit.render('account-overview', {
        organisation: tenant.name,
        email: emailOf(person),
        phone: phoneOf(person),
        passwordSince: password ? dayOf(visit, password.changedAt) : null,
        apps: usable.filter(({ type }) => type === 'totp').length,
        passkeys: usable.filter(({ type }) => type === 'webauthn').length,
        recoveryCodes: factors.recoveryCodes?.left ?? null,
        isSecondFactorRequired: factors.isRequired,
        sessions: sessions.length,
        urls,
      });
    },
  });
