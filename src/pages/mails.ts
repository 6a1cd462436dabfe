import { fileURLToPath } from 'node:url';
import { Eta } from 'eta';
import { brandPalettes, GATEHOUSE_COLOUR } from './brand-colour.ts';
import { escapeHtml, imageUrl, plain, webUrl } from './html.ts';
import { negotiateLocale } from './locale.ts';
import { folderUrl, loadMessages, type Messages } from './messages.ts';
import { fill, type MessagePart } from './overrides.ts';
import type { Locale, MessageValues } from './types.ts';

/** Mails that there are templates for: `views/mail/<name>/text.eta` and `html.eta`. */
export const mailTemplates = [
  'welcome',
  'verify-email',
  'forgot-password',
  'password-changed',
  'email-auth',
  'mfa-code',
  'add-email',
  'identifier-changed',
  'new-sign-in',
  'account-deleted',
  'account-locked',
  'mfa-changed',
  'already-registered',
  'ciba-approval',
] as const;
export type MailTemplate = (typeof mailTemplates)[number];

/** Short messages that there are templates for: `views/sms/<name>.eta`. */
export const smsTemplates = ['phone-auth', 'mfa-sms', 'verify-phone', 'add-phone'] as const;
export type SmsTemplate = (typeof smsTemplates)[number];

export interface RenderedMail {
  subject: string;
  text: string;
  html: string;
}

/** One message to one person, in somebody's name. */
export interface TemplateRequest<Template> {
  template: Template;
  /** The person's language. */
  locale: Locale;
  brand: {
    name: string;
    /** `#rrggbb`; null for our own. */
    colour: string | null;
    logoUrl: string | null;
  };
  /** The person's time zone (IANA); UTC where it is null or unknown. */
  zoneinfo: string | null;
  values: MessageValues;
  /** Parts that an administrator wrote anew, with `{{name}}` where values go. */
  overrides?: MessageOverrides;
}

export type MessageOverrides = { [Part in MessagePart]?: string };

export interface MessageRenderer {
  /** A part written anew that asks for a value that is not there is passed over. */
  mail(request: TemplateRequest<MailTemplate>): RenderedMail;
  sms(request: TemplateRequest<SmsTemplate>): string;
  /** The language of a message: that of the request or profile, else the tenant's, else English. */
  locale(wish: string | null, tenantDefault: string | null): Locale;
}

/** A value on one line: a name with a line break in it would speak for us. */
const oneLine = (value: string): string => plain(value).replace(/\s+/g, ' ').trim();

const isZone = (zone: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined;
  } catch {
    return false;
  }
};

/** An instant (ISO 8601) as a date and time with its zone; anything else stays as it is. */
function instant(value: string, locale: Locale, zoneinfo: string | null): string {
  const at = new Date(value);
  if (Number.isNaN(at.getTime())) return value;
  return new Intl.DateTimeFormat(locale === 'en' ? 'en-GB' : locale, {
    year: 'numeric',
    month: 'long',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    timeZoneName: 'short',
    timeZone: zoneinfo !== null && isZone(zoneinfo) ? zoneinfo : 'UTC',
  }).format(at);
}

function shownValues({
  values,
  locale,
  zoneinfo,
  brand,
}: TemplateRequest<string>): MessageValues & { brand: string } {
  const entries = Object.entries({ ...values, brand: brand.name }).map(
    ([name, value]): [string, string | number] => {
      if (typeof value !== 'string') return [name, value];
      return [name, name === 'when' ? instant(value, locale, zoneinfo) : oneLine(value)];
    },
  );
  const shown: MessageValues = Object.fromEntries(entries);
  // A link lives as long as the code beside it, unless it is said otherwise.
  const { minutes, linkMinutes = minutes } = shown;
  return {
    ...shown,
    ...(linkMinutes === undefined ? {} : { linkMinutes }),
    brand: oneLine(brand.name),
  };
}

/** Whole hours as hours, everything else as minutes. */
const duration =
  (messages: Messages, locale: Locale) =>
  (minutes: number): string =>
    minutes >= 60 && minutes % 60 === 0
      ? messages.text(locale, 'mail.duration.hours', { hours: minutes / 60 })
      : messages.text(locale, 'mail.duration.minutes', { minutes });

/** What is known of an act: when, from where, by which browser; with labels. */
function facts(messages: Messages, locale: Locale, values: MessageValues): [string, string][] {
  const labels: [string, string][] = [
    [messages.text(locale, 'mail.facts.when'), String(values.when ?? '')],
    [messages.text(locale, 'mail.facts.agent'), String(values.agent ?? '')],
    [messages.text(locale, 'mail.facts.ip'), String(values.ip ?? '')],
  ];
  return labels.filter(([, value]) => value !== '');
}

/** What a template sees as `it`. */
function context(messages: Messages, request: TemplateRequest<string>) {
  const { locale, brand } = request;
  const v = shownValues(request);
  return {
    locale,
    v,
    t: (id: string, given?: MessageValues) => messages.text(locale, id, given),
    rich: (id: string, given: MessageValues) => messages.rich(locale, id, given),
    duration: duration(messages, locale),
    facts: facts(messages, locale, v),
    colours: brandPalettes(brand.colour ?? GATEHOUSE_COLOUR),
    logo: imageUrl(brand.logoUrl),
    webUrl,
  };
}

/** Loads words and templates once and returns the renderer of every mail and short message. */
export function createMessageRenderer(options: {
  viewsDir: URL;
  localesDir: URL;
}): MessageRenderer {
  const messages = loadMessages(folderUrl(options.localesDir));
  const eta = new Eta({
    views: fileURLToPath(folderUrl(options.viewsDir)),
    cache: true,
    autoEscape: true,
    autoTrim: false,
    escapeFunction: escapeHtml,
  });
  /** The part as it was written anew, else as `own` has it. */
  const part = (
    name: MessagePart,
    { overrides = {} }: TemplateRequest<string>,
    values: MessageValues,
    own: () => string,
  ): string => {
    const source = overrides[name];
    return (source === undefined ? undefined : fill(name, source, values)) ?? own();
  };
  /** Whole documents stay as they are; anything less goes into our layout. */
  const laidOut = (it: object, subject: string, html: string): string =>
    /^\s*<(?:!doctype|html)\b/i.test(html)
      ? html
      : eta.render('/mail/layout', { ...it, title: subject, body: html });

  return {
    mail(request) {
      const { template, locale } = request;
      const it = context(messages, request);
      const own = (kind: 'text' | 'html') => eta.render(`/mail/${template}/${kind}`, it);
      const subject = oneLine(
        part('subject', request, it.v, () =>
          messages.text(locale, `mail.${template}.subject`, it.v),
        ),
      );
      const text = part('text', request, it.v, () => own('text').replace(/\n{3,}/g, '\n\n'));
      const written = fill('html', request.overrides?.html ?? '', it.v);
      const html = written ? laidOut(it, subject, written) : own('html');
      return { subject, text: `${text.trim()}\n`, html: `${html.trim()}\n` };
    },
    sms(request) {
      const it = context(messages, request);
      return part('text', request, it.v, () => eta.render(`/sms/${request.template}`, it)).trim();
    },
    locale: (wish, tenantDefault) =>
      negotiateLocale({ uiLocales: wish ?? undefined, tenantDefault: tenantDefault ?? undefined }),
  };
}
