import type { MailTemplate, SmsTemplate } from './mails.ts';
import type { MessageValues } from './types.ts';

const name = 'Nguyễn Thị An';
const code = '048213';
const link = 'https://id.example/verify/6fTq2o1Zr8mC4dXw0uYk5bJv7sNa9eLh';
const act = {
  name,
  when: '2026-11-21T09:30:00.000Z',
  ip: '203.0.113.7',
  agent: 'Firefox, Linux',
};

/**
 * Values such as each template gets: what a preview shows, and what a template
 * of an administrator may name.
 */
export const sampleValues: Record<MailTemplate | SmsTemplate, MessageValues> = {
  welcome: { name, link },
  'verify-email': { name, code, link, minutes: 15, linkMinutes: 1440 },
  'forgot-password': { name, code, link, minutes: 15, linkMinutes: 60 },
  'password-changed': { ...act, link },
  'email-auth': { name, code, minutes: 10 },
  'mfa-code': { name, code, minutes: 5 },
  'add-email': { name, code, minutes: 15 },
  'identifier-changed': { name, what: 'email', when: act.when, link },
  'new-sign-in': { ...act, link },
  'account-deleted': { name, when: act.when },
  'already-registered': { name, when: act.when, link },
  'account-locked': { name, when: act.when, minutes: 15, link },
  'mfa-changed': { name, what: 'code_used', left: 7, when: act.when, link },
  'ciba-approval': { name, client: 'Acme Portal', message: 'W4SCT', minutes: 5, link },
  'phone-auth': { code, minutes: 5 },
  'mfa-sms': { code, minutes: 5 },
  'verify-phone': { code, minutes: 10 },
  'add-phone': { code, minutes: 10 },
};
