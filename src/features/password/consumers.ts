import { consumer, type EventConsumer } from '../../kernel/events.ts';
import type { Messenger } from '../messaging/index.ts';
import { describeUser, type UserService, userEvents } from '../user/index.ts';
import { isOpen } from './recovery.ts';
import type { PasswordService } from './service.ts';

/** Milliseconds after which a notice that could not be sent is given up. */
const NOTICE_LIFE = 7 * 24 * 3_600_000;

interface PasswordConsumerDeps {
  password: Pick<PasswordService, 'completeChange'>;
  messenger: Pick<Messenger, 'isReady' | 'send'>;
  users: Pick<UserService, 'findAccount'>;
  issuer: string;
}

/** What follows from a change of a password: the end of tokens that are out, and a notice (ASVS 6.3.7). */
export function passwordConsumers(deps: PasswordConsumerDeps): EventConsumer[] {
  const { messenger } = deps;
  return [
    consumer('password-sessions', userEvents.passwordChanged, ({ userId }) =>
      deps.password.completeChange(userId),
    ),
    consumer('password-notice', userEvents.passwordChanged, async ({ userId }, event) => {
      const user = (await deps.users.findAccount(userId))?.user;
      if (!user?.email || !user.emailVerified || !isOpen(user)) return;
      if (!(await messenger.isReady('mail', user.tenantId))) return;
      await messenger.send(`password-notice-${event.id}`, {
        template: 'password-changed',
        to: user.email,
        tenantId: user.tenantId,
        locale: user.locale,
        zoneinfo: user.zoneinfo,
        values: {
          name: describeUser(user).name,
          when: event.occurredAt,
          // Events hold no addresses of people.
          ip: '',
          agent: '',
          link: `${deps.issuer}/forgot-password?tenant=${user.tenantId}`,
        },
        expiresAt: Date.parse(event.occurredAt) + NOTICE_LIFE,
      });
    }),
  ];
}
