import { escapeHtml, webUrl } from './html.ts';
import type { MailTemplate, SmsTemplate } from './mails.ts';
import { sampleValues } from './message-samples.ts';
import type { MessageValues } from './types.ts';

/** Part of a message that an administrator may write anew. */
export type MessagePart = 'subject' | 'text' | 'html';

/** Characters that each part may have. */
const MOST: Record<MessagePart, number> = { subject: 200, text: 20_000, html: 100_000 };

/** Characters that a short message may have: three of them at the least. */
const MOST_SMS = 300;

const PLACEHOLDER = /\{\{\s*([A-Za-z]+)\s*\}\}/g;

/** What mail programs drop or warn of, and what would run where one does not. */
const ACTIVE =
  /<\s*(?:\/\s*)?(?:script|iframe|frame|object|embed|form|base|link|svg|math|noscript|template)\b|<meta[^<>]+http-equiv|[\s"'/]on\w+\s*=|javascript:|expression\s*\(|@import/i;

/** An attribute whose value ends where a value says so. */
const UNQUOTED = /=\s*[^\s"'>=]*\{\{/;

/** An address made of anything but a link of ours. */
const FOREIGN_ADDRESS =
  /\b(?:href|src|action|background|srcset)\s*=\s*(?:"[^"]*|'[^']*)\{\{\s*(?!link\s*\}\})/i;

/** A value where it would be read as a style or as the text of a tag. */
const IN_STYLE = /<style[^<>]*>[^<]*\{\{|\bstyle\s*=\s*(?:"[^"]*|'[^']*)\{\{|<[^<>"']*\{\{/i;

/** Names that a template may use. */
export const placeholderNames = (template: MailTemplate | SmsTemplate): string[] =>
  [...Object.keys(sampleValues[template]), 'brand'].sort();

/**
 * Puts values in the place of `{{name}}`; nothing else is read, and values are
 * not read again.
 * @returns undefined when a value is asked for that there is none of
 */
export function fill(part: MessagePart, source: string, values: MessageValues): string | undefined {
  let isWhole = true;
  const filled = source.replace(PLACEHOLDER, (_whole, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) isWhole = false;
    if (part !== 'html') return String(value);
    return escapeHtml(name === 'link' ? webUrl(String(value)) : value);
  });
  return isWhole ? filled : undefined;
}

function checkNames(template: MailTemplate | SmsTemplate, source: string): string | undefined {
  const names = placeholderNames(template);
  const used = Array.from(source.matchAll(PLACEHOLDER), ([, name = '']) => name);
  const unknown = used.find((name) => !names.includes(name));
  if (unknown) return `there is no {{${unknown}}}; there are: ${names.join(', ')}`;
  return /\{\{|\}\}/.test(source.replace(PLACEHOLDER, ''))
    ? 'has braces that are no placeholder, which is {{name}}'
    : undefined;
}

function checkPurpose(
  template: MailTemplate | SmsTemplate,
  part: MessagePart,
  source: string,
): string | undefined {
  const secrets = ['code', 'link'].filter((name) => name in sampleValues[template]);
  const used = Array.from(source.matchAll(PLACEHOLDER), ([, name = '']) => name);
  const told = secrets.filter((name) => used.includes(name));
  // Subjects are kept by mail servers and shown on locked screens.
  if (part === 'subject') return told.length > 0 ? `must not hold {{${told[0]}}}` : undefined;
  if (secrets.length === 0 || told.length > 0) return undefined;
  return `must hold ${secrets.map((name) => `{{${name}}}`).join(' or ')}`;
}

function checkHtml(source: string): string | undefined {
  if (ACTIVE.test(source)) return 'has elements or attributes that no mail may have';
  if (UNQUOTED.test(source)) return 'has a value in an attribute without quotes';
  if (FOREIGN_ADDRESS.test(source)) return 'has an address other than {{link}} made of a value';
  return IN_STYLE.test(source) ? 'has a value in a style or a tag' : undefined;
}

/** What is wrong with a part that an administrator wrote; undefined when it can be used. */
export function checkOverride(
  template: MailTemplate | SmsTemplate,
  channel: 'mail' | 'sms',
  part: MessagePart,
  source: string,
): string | undefined {
  const most = channel === 'sms' ? MOST_SMS : MOST[part];
  if (source.trim() === '') return 'is empty';
  if (source.length > most) return `is longer than ${most} characters`;
  if (part === 'subject' && /[\r\n]/.test(source)) return 'has more than one line';
  return (
    checkNames(template, source) ??
    checkPurpose(template, part, source) ??
    (part === 'html' ? checkHtml(source) : undefined) ??
    (fill(part, source, { ...sampleValues[template], brand: 'Gatehouse' }) === undefined
      ? 'cannot be rendered'
      : undefined)
  );
}
