/**
 * Messages to people that there are templates for, and the values that each
 * takes. Instants are ISO 8601. A `name`, `ip` or `agent` that is empty is left
 * out; `agent` is a browser in words, not a header.
 */
export interface MessageTemplates {
  welcome: { name: string; link: string };
  'verify-email': CodeAndLink;
  'forgot-password': CodeAndLink;
  'password-changed': { name: string; when: string; ip: string; agent: string; link: string };
  /** Signing in by a code; mail. */
  'email-auth': { name: string; code: string; minutes: number };
  /** The second factor of a sign-in; mail. */
  'mfa-code': { name: string; code: string; minutes: number };
  /** Adding or changing an address; sent to the new one, so `name` says who asks. */
  'add-email': { name: string; code: string; minutes: number };
  /** Told to the addresses that were there before: `what` is `email`, `phone` or `username`. */
  'identifier-changed': { name: string; what: string; when: string; link: string };
  'new-sign-in': { name: string; when: string; ip: string; agent: string; link: string };
  'account-deleted': { name: string; when: string };
  /** Failed sign-ins have closed the account for so many minutes. */
  'account-locked': { name: string; when: string; minutes: number; link: string };
  /** Second factors, and what was done with them; `left`: recovery codes, where one was used. */
  'mfa-changed': {
    name: string;
    what:
      | 'app_added'
      | 'app_removed'
      | 'passkey_added'
      | 'passkey_removed'
      /** Its counter went backwards: it may have been cloned. */
      | 'passkey_disabled'
      | 'codes_made'
      | 'code_used'
      /** The password was right, the second factor wrong too often. */
      | 'challenge_failed'
      /** By an administrator. */
      | 'reset';
    left: number;
    when: string;
    link: string;
  };
  /** Somebody tried to register with the address of an account. */
  'already-registered': { name: string; when: string; link: string };
  /** A request of an application that the person answers on another device (CIBA). */
  'ciba-approval': {
    name: string;
    client: string;
    message: string;
    minutes: number;
    link: string;
  };
  /** SMS from here on. */
  'phone-auth': { code: string; minutes: number };
  'mfa-sms': { code: string; minutes: number };
  'verify-phone': { code: string; minutes: number };
  'add-phone': { code: string; minutes: number };
}

/** A mail with a code, a link or both: the one that is empty is left out. */
type CodeAndLink = {
  name: string;
  code: string;
  link: string;
  /** Validity of the code, and of the link unless `linkMinutes` says otherwise. */
  minutes: number;
  linkMinutes?: number;
};

export type TemplateName = keyof MessageTemplates;
export const SMS_TEMPLATES = ['phone-auth', 'mfa-sms', 'verify-phone', 'add-phone'] as const;
export type SmsTemplateName = (typeof SMS_TEMPLATES)[number];
export type MailTemplateName = Exclude<TemplateName, SmsTemplateName>;
export type Channel = 'mail' | 'sms';

/** A message to one person. */
export interface Message<T extends TemplateName = TemplateName> {
  template: T;
  /**
   * E-mail address or phone number (E.164). Null goes nowhere, after the same
   * work: for answers that must not tell by their time whether somebody exists.
   */
  to: string | null;
  /** Whose name and wording it has. */
  tenantId: string;
  /** The person's language, best first: that of the request, then of the profile. */
  locale: string | null;
  /** The person's time zone (IANA), for instants; UTC where it is not known. */
  zoneinfo?: string | null;
  values: MessageTemplates[T];
  /** Milliseconds since the epoch; a message that is still waiting then is of no use. */
  expiresAt: number;
  /**
   * The caller has asked `isReady`, alike for everybody. Asking again, for the tenant
   * of a person who was found, would tell by its time that there is one.
   */
  isReadinessKnown?: boolean;
}

/** What of a message waits in a queue beside its receiver. */
export type MessageRequest<T extends TemplateName = TemplateName> = Required<
  Omit<Message<T>, 'to' | 'expiresAt' | 'isReadinessKnown'>
>;

/** Sends messages from queues: a request never waits for a mail server or an SMS gateway. */
export interface Messenger {
  /**
   * Whether this channel can send at all in the name of a tenant (the platform
   * unless given); asked before anything begins that needs it, and counted if not.
   */
  isReady(channel: Channel, tenantId?: string): Promise<boolean>;
  /**
   * Queues a message, once per `id` (letters, digits, `-` and `_`).
   * @throws AppError IDENT_UNAVAILABLE when the channel is not set up or Redis does not answer
   */
  send<T extends TemplateName>(id: string, message: Message<T>): Promise<void>;
  /**
   * Empties what still waits for these addresses and numbers, of whatever channel.
   * @throws when Redis does not answer
   */
  forget(addresses: readonly string[]): Promise<void>;
}
