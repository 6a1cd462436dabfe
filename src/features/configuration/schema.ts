import { z } from 'zod';
import { AppError } from '../../kernel/errors.ts';
import { MAILBOX } from '../../kernel/mailbox.ts';
import { placeholdersOf, type Template } from '../../kernel/placeholders.ts';

export type Group = 'MAIL' | 'SMS';

const host = z
  .string()
  .max(253)
  .regex(
    /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)$/,
    'must be a host name or address',
  );

/** One line of text that may go into a header. */
const line = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}]*$/u, 'must be one line');

const webAddress = z
  .url({ protocol: /^https?$/ })
  .max(2_000)
  .refine((value) => {
    const { username, password, host: name } = new URL(value);
    return username === '' && password === '' && !/[{}%]/.test(name);
  }, 'must have neither credentials nor placeholders in its host');

const mailServer = z.strictObject({
  host,
  port: z.int().min(1).max(65_535).default(587),
  /** TLS from the first byte, after STARTTLS, or not at all. */
  security: z.enum(['tls', 'starttls', 'none']).default('starttls'),
  user: line(320).optional(),
  from: line(320).regex(MAILBOX, 'must be an address, or a name and an address'),
});
export type MailServerSettings = z.output<typeof mailServer>;

const vnpay = z.strictObject({
  kind: z.literal('vnpay'),
  url: webAddress,
  sender: line(20),
  keyword: line(50),
  partnerCode: line(50),
  type: z.int().min(0).max(99).default(0),
  isPlain: z.boolean().default(true),
});

const template = z
  .json()
  .refine((value) => JSON.stringify(value).length <= 10_000, 'is too long') as z.ZodType<Template>;

const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/;
const RESERVED_HEADERS = ['host', 'content-length', 'transfer-encoding', 'connection'];

const http = z.strictObject({
  kind: z.literal('http'),
  method: z.enum(['GET', 'POST']).default('POST'),
  url: webAddress,
  headers: z
    .record(z.string().regex(headerName), line(1_000))
    .refine((headers) => Object.keys(headers).length <= 20, 'has too many headers')
    .refine(
      (headers) =>
        !Object.keys(headers).some((name) => RESERVED_HEADERS.includes(name.toLowerCase())),
      'must not set headers of the connection',
    )
    .default({}),
  body: z
    .strictObject({ type: z.enum(['json', 'form']), template })
    .nullable()
    .default(null),
  success: z
    .strictObject({
      statuses: z.array(z.int().min(200).max(299)).min(1).max(10).default([200, 201, 202]),
      member: z
        .strictObject({ path: line(100), values: z.array(line(100)).min(1).max(20) })
        .nullable()
        .default(null),
    })
    .default({ statuses: [200, 201, 202], member: null }),
  isPlain: z.boolean().default(false),
});

const smsProvider = z.discriminatedUnion('kind', [vnpay, http]);
export type SmsProviderSettings = z.output<typeof smsProvider>;

/** Placeholders in all that is sent. */
const usedIn = ({ url, headers, body }: z.output<typeof http>): string[] =>
  placeholdersOf([url, headers, body?.template ?? null]);

/** What of the placeholders is wrong. */
function checkPlaceholders(settings: SmsProviderSettings): string | undefined {
  if (settings.kind !== 'http') return undefined;
  const used = usedIn(settings);
  const unknown = used.find((name) => !/^(?:id|to|number|text|credentials\.\w+)$/.test(name));
  if (unknown) return `use {${unknown}}, which there is not`;
  if (!used.includes('to') && !used.includes('number')) return 'use neither {to} nor {number}';
  return used.includes('text') ? undefined : 'do not use {text}';
}

const writtenPart = z.strictObject({ value: z.string().min(1).max(100_000) });

/** One part of one message in one language. */
export interface TemplateKey {
  template: string;
  locale: string;
  part: 'subject' | 'text' | 'html';
}

const TEMPLATE_KEY = /^template\/([a-z-]{1,40})\/([a-z]{2})\/(subject|text|html)$/;

/** Which part of which message a key names, if it names one. */
export function parseTemplateKey(key: string): TemplateKey | undefined {
  const [, name, locale, part] = TEMPLATE_KEY.exec(key) ?? [];
  return name && locale && part
    ? { template: name, locale, part: part as TemplateKey['part'] }
    : undefined;
}

/** A setting as it is told: never with its credentials. */
export interface Configuration {
  id: string;
  /** Null for the platform. */
  tenantId: string | null;
  group: Group;
  key: string;
  settings: Record<string, unknown>;
  hasCredentials: boolean;
  /** Counts the changes. */
  version: number;
  updatedAt: Date;
}

/** What a key stands for. */
export interface Kind {
  settings: z.ZodType<Record<string, unknown>>;
  /** Names of the credentials that go with such settings: each of them, and no other. */
  needs(settings: Record<string, unknown>): string[];
  /** Whom the credentials are shown to: they are not kept for another. */
  destination(settings: Record<string, unknown>): string;
}

const MAIL_SERVER: Kind = {
  settings: mailServer.refine(({ security, user }) => security !== 'none' || user === undefined, {
    path: ['security'],
    error: 'must be tls or starttls where there is a user',
  }),
  needs: ({ user }) => (user === undefined ? [] : ['password']),
  destination: ({ host: name, port, security, user }) =>
    JSON.stringify([name, port, security, user]),
};

const SMS_PROVIDER: Kind = {
  settings: smsProvider.superRefine((settings, context) => {
    const message = checkPlaceholders(settings);
    if (message) context.addIssue({ code: 'custom', path: [], message });
  }),
  needs: (settings) =>
    settings.kind === 'vnpay'
      ? ['secretKey']
      : usedIn(settings as z.output<typeof http>)
          .filter((name) => name.startsWith('credentials.'))
          .map((name) => name.slice('credentials.'.length)),
  destination: ({ kind, url }) => JSON.stringify([kind, new URL(String(url)).origin]),
};

const WRITTEN: Kind = { settings: writtenPart, needs: () => [], destination: () => '' };

/** Credentials of these names, each one line. */
export const credentialsOf = (names: readonly string[]): z.ZodType<Record<string, string>> =>
  z.strictObject(Object.fromEntries(names.map((name) => [name, line(1_000)])));

/** @throws AppError IDENT_VALIDATION for a key that there is not */
export function kindOf(group: Group, key: string): Kind {
  if (group === 'MAIL' && key === 'server') return MAIL_SERVER;
  if (group === 'SMS' && key === 'provider') return SMS_PROVIDER;
  if (parseTemplateKey(key)) return WRITTEN;
  const own = group === 'MAIL' ? 'server' : 'provider';
  throw new AppError('IDENT_VALIDATION', {
    errors: [{ path: 'key', message: `must be ${own} or template/<name>/<language>/<part>` }],
  });
}
