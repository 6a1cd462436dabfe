import type { CodeNamespace } from '../../infra/one-time-codes.ts';
import type { Address } from '../user/index.ts';
import { verificationEvents } from './events.ts';

interface Channel {
  by: 'mail' | 'sms';
  verify: CodeNamespace;
  add: CodeNamespace;
  event: (typeof verificationEvents)['emailVerified'];
}

/** What differs between addresses that mails go to and those that SMS go to. */
export const CHANNELS: Record<Address['scheme'], Channel> = {
  email: {
    by: 'mail',
    verify: 'verify-email',
    add: 'add-email',
    event: verificationEvents.emailVerified,
  },
  phone: {
    by: 'sms',
    verify: 'verify-phone',
    add: 'add-phone',
    event: verificationEvents.phoneVerified,
  },
};
