import type { Knex } from 'knex';
import { consumer, type EventConsumer } from '../../kernel/events.ts';
import type { Messenger } from '../messaging/index.ts';
import { describeDevice } from '../session/index.ts';
import type { TenantService } from '../tenant/index.ts';
import { describeUser, type User, type UserService } from '../user/index.ts';
import { signInEvents } from './events.ts';
import { clearFirstSeen, findFirstSeen } from './repository.ts';

/** Milliseconds after which a notice that could not be sent is given up. */
const NOTICE_LIFE = 7 * 24 * 3_600_000;

/**
 * Notices of a lock that one person gets: whoever locks an account again and again
 * must not fill its owner's mailbox too.
 */
const LOCK_NOTICES = { bucket: 'lock-notice', limit: 1, windowMs: 24 * 3_600_000 };

interface LimitOf {
  bucket: string;
  key: string;
  limit: number;
  windowMs: number;
}

export interface SignInConsumerDeps {
  knex: Knex;
  messenger: Pick<Messenger, 'isReady' | 'send'>;
  tenants: Pick<TenantService, 'find'>;
  users: Pick<UserService, 'findAccount'>;
  rateLimits: {
    peek(limit: LimitOf): Promise<{ allowed: boolean }>;
    hit(limit: LimitOf): Promise<{ allowed: boolean }>;
  };
  issuer: string;
}

/** Tells people of sign-ins and tries that may not have been theirs (ASVS 6.3.5). */
export function signInConsumers(deps: SignInConsumerDeps): EventConsumer[] {
  const { knex, messenger, rateLimits } = deps;
  const linkFor = ({ tenantId }: User): string =>
    `${deps.issuer}/forgot-password?tenant=${tenantId}`;

  /** A person who can be written to: at an address that is proved to be theirs. */
  async function findReader(userId: string): Promise<(User & { email: string }) | undefined> {
    const user = (await deps.users.findAccount(userId))?.user;
    if (!user?.email || !user.emailVerified) return undefined;
    if (user.status !== 'active' && user.status !== 'pending_verification') return undefined;
    if (!(await messenger.isReady('mail', user.tenantId))) return undefined;
    return { ...user, email: user.email };
  }

  const addressed = (user: User & { email: string }, occurredAt: string) => ({
    to: user.email,
    tenantId: user.tenantId,
    locale: user.locale,
    zoneinfo: user.zoneinfo,
    expiresAt: Date.parse(occurredAt) + NOTICE_LIFE,
  });

  async function tellOfBrowser(userId: string, browserId: string, eventId: string) {
    const user = await findReader(userId);
    const seen = user && (await findFirstSeen(knex, user.tenantId, browserId));
    // Told before, or forgotten in the meantime.
    if (!user || !seen || (seen.clientIp === null && seen.userAgent === null)) return;
    const tenant = await deps.tenants.find(user.tenantId);
    if (tenant?.settings.newSignInNotice) {
      const when = seen.at.toISOString();
      await messenger.send(`new-sign-in-${eventId}`, {
        ...addressed(user, when),
        template: 'new-sign-in',
        values: {
          name: describeUser(user).name,
          when,
          ip: seen.clientIp ?? '',
          agent: describeDevice(seen.userAgent) ?? '',
          link: linkFor(user),
        },
      });
    }
    await clearFirstSeen(knex, user.tenantId, browserId);
  }

  return [
    consumer(
      'new-sign-in',
      signInEvents.loggedIn,
      async ({ userId, browserId }, event) => {
        if (browserId !== undefined) await tellOfBrowser(userId, browserId, event.id);
      },
      { isNewBrowser: true },
    ),
    consumer('account-locked', signInEvents.locked, async ({ userId, until }, event) => {
      const user = userId === null ? undefined : await findReader(userId);
      if (!user) return;
      const budget = { ...LOCK_NOTICES, key: user.id };
      if (!(await rateLimits.peek(budget)).allowed) return;
      const minutes = Math.round((Date.parse(until) - Date.parse(event.occurredAt)) / 60_000);
      await messenger.send(`account-locked-${event.id}`, {
        ...addressed(user, event.occurredAt),
        template: 'account-locked',
        values: {
          name: describeUser(user).name,
          when: event.occurredAt,
          minutes,
          link: linkFor(user),
        },
      });
      // Counted when it is on its way: told again after a failure, it must not be dropped.
      await rateLimits.hit(budget);
    }),
  ];
}
