/** Messages to people that there are templates for, and the values that each takes. */
export interface MessageTemplates {
  welcome: { name: string; link: string };
  'verify-email': { name: string; code: string; link: string; minutes: number };
  'forgot-password': { name: string; code: string; link: string; minutes: number };
  'password-changed': { name: string; when: string; ip: string; agent: string; link: string };
  /** Signing in by a code; mail. */
  'email-auth': { name: string; code: string; minutes: number };
  /** Adding or changing an address; sent to the new one. */
  'add-email': { name: string; code: string; minutes: number };
  /** Told to the addresses that were there before: `what` is `email`, `phone` or `username`. */
  'identifier-changed': { name: string; what: string; when: string; link: string };
  'new-sign-in': { name: string; when: string; ip: string; agent: string; link: string };
  'account-deleted': { name: string; when: string };
  /** SMS from here on. */
  'phone-auth': { code: string; minutes: number };
  'verify-phone': { code: string; minutes: number };
  'add-phone': { code: string; minutes: number };
}

export type TemplateName = keyof MessageTemplates;
export const SMS_TEMPLATES = ['phone-auth', 'verify-phone', 'add-phone'] as const;

/** A message to one person. */
export interface Message<T extends TemplateName = TemplateName> {
  template: T;
  /**
   * E-mail address or phone number. Null goes nowhere, after the same work: for
   * answers that must not tell by their time whether somebody exists.
   */
  to: string | null;
  /** Whose name and wording it has. */
  tenantId: string;
  /** The person's language, best first: that of the request, then of the profile. */
  locale: string | null;
  /** Instants are ISO 8601. */
  values: MessageTemplates[T];
  /** Milliseconds since the epoch; a message that is still waiting then is of no use. */
  expiresAt: number;
}

/** Sends messages from queues: a request never waits for a mail server or an SMS gateway. */
export interface Messenger {
  /** Whether this channel can send at all; asked before anything begins that needs it. */
  isReady(channel: 'mail' | 'sms'): boolean;
  /**
   * Queues a message, once per `id` (letters, digits, `-` and `_`).
   * @throws AppError IDENT_UNAVAILABLE when the channel is not set up or Redis does not answer
   */
  send<T extends TemplateName>(id: string, message: Message<T>): Promise<void>;
}
