import type { RateLimits } from '../../infra/rate-limits.ts';
import type { Clock } from '../../kernel/clock.ts';
import { consumer, type EventConsumer } from '../../kernel/events.ts';
import type { Messenger } from '../messaging/index.ts';
import { describeUser, type UserService, userEvents } from '../user/index.ts';

interface NoticeDeps {
  clock: Clock;
  users: Pick<UserService, 'findAccount'>;
  messenger: Pick<Messenger, 'isReady' | 'send'>;
  rateLimits: Pick<RateLimits, 'hit'>;
  issuer: string;
}

const DAY = 24 * 3_600_000;

/** Notices that one person gets in a day, however often somebody tries. */
const MOST = { bucket: 'register-notice', limit: 3, windowMs: DAY };

/** Tells the owner of an address that somebody tried to register with it. */
export const signUpConsumers = (deps: NoticeDeps): EventConsumer[] => [
  consumer('registration-notice', userEvents.registrationRefused, async ({ userId }, event) => {
    const user = (await deps.users.findAccount(userId))?.user;
    const expiresAt = Date.parse(event.occurredAt) + DAY;
    if (!user || user.email === null || expiresAt <= deps.clock.now()) return;
    if (!(await deps.messenger.isReady('mail', user.tenantId))) return;
    if (!(await deps.rateLimits.hit({ ...MOST, key: userId })).allowed) return;
    await deps.messenger.send(`registration-notice-${event.id}`, {
      template: 'already-registered',
      to: user.email,
      tenantId: user.tenantId,
      locale: user.locale,
      zoneinfo: user.zoneinfo,
      values: {
        name: describeUser(user).name,
        when: event.occurredAt,
        link: `${deps.issuer}/`,
      },
      expiresAt,
    });
  }),
];
