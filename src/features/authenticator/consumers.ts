import { consumer, type EventConsumer, type PublishedEvent } from '../../kernel/events.ts';
import type { MessageTemplates, Messenger } from '../messaging/index.ts';
import { mfaEvents } from '../mfa/index.ts';
import { describeUser, type User, type UserService } from '../user/index.ts';
import type { MfaReset } from './reset.ts';

/** Milliseconds after which a notice that could not be sent is given up. */
const NOTICE_LIFE = 7 * 24 * 3_600_000;

/**
 * Notices of failed second factors that one person gets: whoever has a password
 * must not fill its owner's mailbox too.
 */
const FAILURE_NOTICES = { bucket: 'mfa-notice', limit: 1, windowMs: 24 * 3_600_000 };

interface LimitOf {
  bucket: string;
  key: string;
  limit: number;
  windowMs: number;
}

export interface AuthenticatorConsumerDeps {
  messenger: Pick<Messenger, 'isReady' | 'send'>;
  users: Pick<UserService, 'findAccount'>;
  mfaReset: Pick<MfaReset, 'complete'>;
  rateLimits: {
    peek(limit: LimitOf): Promise<{ allowed: boolean }>;
    hit(limit: LimitOf): Promise<{ allowed: boolean }>;
  };
  issuer: string;
}

type What = MessageTemplates['mfa-changed']['what'];

const NAMES = { totp: 'app', webauthn: 'passkey' } as const;

/** Tells people of what changes how they sign in, and of what may not have been them (ASVS 6.3.5, 6.3.7). */
export function authenticatorConsumers(deps: AuthenticatorConsumerDeps): EventConsumer[] {
  const { messenger, rateLimits, issuer } = deps;

  /** A person who can be written to: at an address that is proved to be theirs. */
  async function findReader(userId: string): Promise<(User & { email: string }) | undefined> {
    const user = (await deps.users.findAccount(userId))?.user;
    if (!user?.email || !user.emailVerified) return undefined;
    if (user.status !== 'active' && user.status !== 'pending_verification') return undefined;
    if (!(await messenger.isReady('mail', user.tenantId))) return undefined;
    return { ...user, email: user.email };
  }

  async function tell(userId: string, event: PublishedEvent, what: What, left = 0): Promise<void> {
    const user = await findReader(userId);
    if (!user) return;
    // After a reset there is nothing to take back, but something to set up anew.
    const path = what === 'reset' ? '/account' : `/forgot-password?tenant=${user.tenantId}`;
    await messenger.send(`mfa-notice-${event.id}`, {
      template: 'mfa-changed',
      to: user.email,
      tenantId: user.tenantId,
      locale: user.locale,
      zoneinfo: user.zoneinfo,
      values: {
        name: describeUser(user).name,
        ...{ what, left },
        when: event.occurredAt,
        link: `${issuer}${path}`,
      },
      expiresAt: Date.parse(event.occurredAt) + NOTICE_LIFE,
    });
  }

  return [
    consumer('mfa-enrolled-notice', mfaEvents.enrolled, ({ userId, type }, event) =>
      tell(userId, event, `${NAMES[type]}_added`),
    ),
    consumer(
      'mfa-removed-notice',
      mfaEvents.removed,
      ({ userId, type, by }, event) =>
        tell(userId, event, by === 'system' ? 'passkey_disabled' : `${NAMES[type]}_removed`),
      // Of a reset one notice tells, not one for each authenticator.
      ({ by }) => by !== 'administrator',
    ),
    consumer(
      'recovery-codes-notice',
      mfaEvents.recoveryCodesGenerated,
      ({ userId }, event) => tell(userId, event, 'codes_made'),
      // The notice of the first authenticator says it.
      ({ isFirst }) => !isFirst,
    ),
    consumer('recovery-code-notice', mfaEvents.recoveryCodeUsed, ({ userId, left }, event) =>
      tell(userId, event, 'code_used', left),
    ),
    consumer('mfa-failed-notice', mfaEvents.challengeFailed, async ({ userId }, event) => {
      const budget = { ...FAILURE_NOTICES, key: userId };
      if (!(await rateLimits.peek(budget)).allowed) return;
      await tell(userId, event, 'challenge_failed');
      // Counted when it is on its way: told again after a failure, it must not be dropped.
      await rateLimits.hit(budget);
    }),
    consumer('mfa-reset-sessions', mfaEvents.reset, ({ userId }) => deps.mfaReset.complete(userId)),
    consumer('mfa-reset-notice', mfaEvents.reset, ({ userId }, event) =>
      tell(userId, event, 'reset'),
    ),
  ];
}
