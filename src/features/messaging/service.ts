import { ZodError } from 'zod';
import type { Post } from '../../infra/post.ts';
import { AppError } from '../../kernel/errors.ts';
import {
  type Channel,
  type Message,
  type MessageRequest,
  type Messenger,
  SMS_TEMPLATES,
  type TemplateName,
} from './schema.ts';

/** What takes messages of one channel. */
type Desk = Pick<Post<MessageRequest>, 'isReady' | 'enqueue' | 'forget'>;

const DETAILS: Record<Channel, string> = {
  mail: 'Mails cannot be sent: no mail server is configured.',
  sms: 'Messages to phones cannot be sent: no SMS provider is configured.',
};

/** Ids become names of jobs, in which the queue's own separator must not occur. */
const ID = /^[\w-]{1,200}$/;

const channelOf = (template: TemplateName): Channel =>
  SMS_TEMPLATES.some((name) => name === template) ? 'sms' : 'mail';

const toRequest = (message: Message): MessageRequest => ({
  template: message.template,
  tenantId: message.tenantId,
  locale: message.locale,
  zoneinfo: message.zoneinfo ?? null,
  values: message.values,
});

/** Messages of all kinds that one address is sent in a day at most. */
const DAILY: Record<Channel, number> = { mail: 30, sms: 15 };

const DAY = 24 * 3_600_000;

/** What warns people is always sent: it follows from something that happened, not from a request. */
const NOTICES: ReadonlySet<TemplateName> = new Set<TemplateName>([
  'password-changed',
  'identifier-changed',
  'new-sign-in',
  'account-deleted',
  'account-locked',
  'mfa-changed',
]);

/** Asked for by somebody who has shown the password: strangers must not use these up. */
const PROVED: ReadonlySet<TemplateName> = new Set<TemplateName>(['mfa-code', 'mfa-sms']);

export interface MessengerDeps {
  /** Where the messages of each channel go. */
  posts: Record<Channel, Desk>;
  rateLimits: {
    hit(limit: { bucket: string; key: string; limit: number; windowMs: number }): Promise<{
      allowed: boolean;
    }>;
  };
  /** Told of a message that goes nowhere, since its receiver has had too many. */
  onLimited(channel: Channel, template: TemplateName): void;
}

export function createMessenger({ posts, rateLimits, onLimited }: MessengerDeps): Messenger {
  /** The receiver; null beyond what is sent in a day. The same work is done for nobody. */
  async function within(channel: Channel, { to, template }: Message): Promise<string | null> {
    if (NOTICES.has(template)) return to;
    const key = to?.toLowerCase() ?? 'nobody';
    const bucket = PROVED.has(template) ? `to-${channel}-proved` : `to-${channel}`;
    const budget = { bucket, key, limit: DAILY[channel], windowMs: DAY };
    const { allowed } = await rateLimits.hit(budget);
    if (allowed || to === null) return to;
    onLimited(channel, template);
    return null;
  }

  return {
    isReady: (channel, tenantId) => posts[channel].isReady(tenantId),
    async forget(addresses) {
      await Promise.all(Object.values(posts).map((post) => post.forget(addresses)));
    },
    async send(id, message) {
      if (!ID.test(id)) throw new TypeError('the id of a message has letters, digits, - and _');
      const channel = channelOf(message.template);
      if (!message.isReadinessKnown && !(await posts[channel].isReady(message.tenantId))) {
        throw new AppError('IDENT_UNAVAILABLE', { detail: DETAILS[channel] });
      }
      const { expiresAt } = message;
      try {
        const to = await within(channel, message);
        await posts[channel].enqueue(id, { to, expiresAt, request: toRequest(message) });
      } catch (cause) {
        if (cause instanceof ZodError) throw cause;
        throw new AppError('IDENT_UNAVAILABLE', { cause, retryAfter: 5 });
      }
    },
  };
}

/** @throws AppError IDENT_UNAVAILABLE where messages of this kind cannot be sent */
export async function assertReady(
  messenger: Pick<Messenger, 'isReady'>,
  channel: Channel,
  tenantId: string,
): Promise<void> {
  if (await messenger.isReady(channel, tenantId)) return;
  throw new AppError('IDENT_UNAVAILABLE', { detail: DETAILS[channel] });
}
