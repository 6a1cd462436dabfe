import type { OneTimeCodes, RequestedCode } from '../../infra/one-time-codes.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { consumer, type EventConsumer, type PublishedEvent } from '../../kernel/events.ts';
import type { Messenger } from '../messaging/index.ts';
import type { OneTimeLinks } from '../one-time-link/index.ts';
import {
  type Address,
  describeUser,
  type User,
  type UserService,
  userEvents,
} from '../user/index.ts';
import { CHANNELS } from './channels.ts';
import { verificationEvents } from './events.ts';
import type { Notices } from './notices.ts';
import { codeIdOf, LINK_LIFE, VERIFY_EMAIL, verificationLink } from './service.ts';

export interface VerificationConsumerDeps {
  clock: Clock;
  codes: Pick<OneTimeCodes, 'request'>;
  links: Pick<OneTimeLinks, 'issue'>;
  messenger: Pick<Messenger, 'isReady' | 'send'>;
  notices: Pick<Notices, 'deliver'>;
  users: Pick<UserService, 'findAccount'>;
  addressDigest(address: string): string;
  issuer: string;
}

/** A code, or none where one was sent just now or the address has had its share. */
async function codeFor(
  { codes }: VerificationConsumerDeps,
  address: Address,
  boundTo: string,
): Promise<RequestedCode | undefined> {
  const { verify } = CHANNELS[address.scheme];
  try {
    return await codes.request(verify, codeIdOf(address), { boundTo });
  } catch (error) {
    const isPaced = error instanceof AppError && error.status !== 503;
    if (isPaced) return undefined;
    throw error;
  }
}

async function askForEmail(
  deps: VerificationConsumerDeps,
  user: User,
  address: Address,
  { event, isRepeated }: { event: PublishedEvent; isRepeated: boolean },
): Promise<void> {
  // From the event on, so that one that comes again much later revives nothing.
  const left = Date.parse(event.occurredAt) + LINK_LIFE - deps.clock.now();
  if (left <= 0 || !(await deps.messenger.isReady('mail', user.tenantId))) return;
  const made = await codeFor(deps, address, user.id);
  // A stranger can have this done again and again: then only as often as codes are sent.
  if (isRepeated && !made) return;
  const token = await deps.links.issue({
    purpose: VERIFY_EMAIL,
    userId: user.id,
    tenantId: user.tenantId,
    data: { address: deps.addressDigest(codeIdOf(address)) },
    ttl: Math.min(left, LINK_LIFE),
    seed: event.id,
  });
  await deps.messenger.send(`verification-mail-${event.id}`, {
    template: 'verify-email',
    to: address.value,
    tenantId: user.tenantId,
    locale: user.locale,
    zoneinfo: user.zoneinfo,
    values: {
      name: describeUser(user).name,
      code: made?.code ?? '',
      link: verificationLink(deps.issuer, token),
      minutes: made?.minutes ?? 0,
      linkMinutes: LINK_LIFE / 60_000,
    },
    expiresAt: deps.clock.now() + left,
  });
}

async function askForPhone(
  deps: VerificationConsumerDeps,
  user: User,
  address: Address,
  event: PublishedEvent,
): Promise<void> {
  if (!(await deps.messenger.isReady('sms', user.tenantId))) return;
  const made = await codeFor(deps, address, user.id);
  if (!made) return;
  await deps.messenger.send(`verification-sms-${event.id}`, {
    template: 'verify-phone',
    to: address.value,
    tenantId: user.tenantId,
    locale: user.locale,
    values: { code: made.code, minutes: made.minutes },
    expiresAt: made.expiresAt,
  });
}

async function welcome(
  deps: VerificationConsumerDeps,
  user: User,
  event: PublishedEvent,
): Promise<void> {
  if (user.email === null || !(await deps.messenger.isReady('mail', user.tenantId))) return;
  await deps.messenger.send(`welcome-mail-${event.id}`, {
    template: 'welcome',
    to: user.email,
    tenantId: user.tenantId,
    locale: user.locale,
    zoneinfo: user.zoneinfo,
    values: { name: describeUser(user).name, link: `${deps.issuer}/` },
    expiresAt: Date.parse(event.occurredAt) + LINK_LIFE,
  });
}

/**
 * The messages that follow from a new account and from a proof. An account that
 * is closed or proved by then is written to no more.
 */
export function verificationConsumers(deps: VerificationConsumerDeps): EventConsumer[] {
  const findOpen = async (userId: string): Promise<User | undefined> => {
    const user = (await deps.users.findAccount(userId))?.user;
    return user?.status === 'active' || user?.status === 'pending_verification' ? user : undefined;
  };
  return [
    consumer('verification-message', userEvents.registered, async ({ userId }, event) => {
      const user = await findOpen(userId);
      if (!user) return;
      const { email, phone } = user;
      if (email !== null) {
        const address: Address = { scheme: 'email', value: email.toLowerCase() };
        const how = { event, isRepeated: false };
        if (!user.emailVerified) await askForEmail(deps, user, address, how);
      } else if (phone !== null && !user.phoneVerified) {
        await askForPhone(deps, user, { scheme: 'phone', value: phone }, event);
      }
    }),
    // Somebody registers with an address that has an account: what can be seen of it
    // from outside, such as how soon a code can be asked for, is as with a new one.
    consumer('verification-decoy', userEvents.registrationRefused, async ({ userId }, event) => {
      const user = await findOpen(userId);
      if (!user) return;
      const { email, phone } = user;
      const address: Address | undefined = email
        ? { scheme: 'email', value: email.toLowerCase() }
        : undefined;
      if (address && !user.emailVerified) {
        await askForEmail(deps, user, address, { event, isRepeated: true });
      } else if (address) await codeFor(deps, address, '');
      if (phone !== null && user.phoneVerified) {
        await codeFor(deps, { scheme: 'phone', value: phone }, '');
      }
    }),
    consumer('welcome-mail', verificationEvents.emailVerified, async (data, event) => {
      const user = data.initial ? await findOpen(data.userId) : undefined;
      if (user) await welcome(deps, user, event);
    }),
    consumer(
      'identifier-notice',
      userEvents.profileUpdated,
      async ({ userId }, { tenantId }) => {
        if (tenantId !== null) await deps.notices.deliver(tenantId, userId);
      },
      ({ changed }) => changed.includes('email') || changed.includes('phone'),
    ),
  ];
}
