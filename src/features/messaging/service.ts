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

/** @param posts where the messages of each channel go */
export function createMessenger(posts: Record<Channel, Desk>): Messenger {
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
      const { to, expiresAt } = message;
      try {
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
