import type { Secret } from '../kernel/crypto.ts';
import { fillTemplate, fillText, type Template } from '../kernel/placeholders.ts';
import { DeliveryError } from './post.ts';
import type { Sms, SmsExchange } from './sms.ts';

/** Any gateway that takes one HTTP request for one SMS. */
export interface HttpSmsProvider {
  kind: 'http';
  method: 'GET' | 'POST';
  /** Placeholders in its path and query are percent-encoded. */
  url: string;
  headers: Record<string, string>;
  /** Sent as JSON, or as a form of its members; null for a request without a body. */
  body: { type: 'json' | 'form'; template: Template } | null;
  /** When the message counts as taken: one of these statuses and, where named, a member of its JSON. */
  success: { statuses: number[]; member: { path: string; values: string[] } | null };
  /** Values for `{credentials.name}`. */
  credentials: Record<string, Secret>;
  isPlain: boolean;
}

/** What placeholders stand for; `number` is `to` without its plus. */
function valuesOf({ credentials }: HttpSmsProvider, { id, to, text }: Sms) {
  const secrets = Object.entries(credentials).map(([name, secret]): [string, string] => [
    `credentials.${name}`,
    secret.reveal(),
  ]);
  return new Map([['id', id], ['to', to], ['number', to.slice(1)], ['text', text], ...secrets]);
}

const toForm = (filled: Template): string =>
  new URLSearchParams(
    Object.entries(filled as Record<string, Template>).map(([name, value]): [string, string] => [
      name,
      String(value),
    ]),
  ).toString();

function bodyOf(provider: HttpSmsProvider, values: ReadonlyMap<string, string>) {
  if (!provider.body || provider.method === 'GET') return {};
  const { type, template } = provider.body;
  const filled = fillTemplate(template, values);
  return type === 'json'
    ? { body: JSON.stringify(filled), type: 'application/json' }
    : { body: toForm(filled), type: 'application/x-www-form-urlencoded' };
}

/** The member of a JSON text at a dotted path, as text; undefined where there is none. */
function memberAt(body: string, path: string): string | undefined {
  try {
    const found = path
      .split('.')
      .reduce<unknown>(
        (value, name) =>
          typeof value === 'object' && value !== null && Object.hasOwn(value, name)
            ? (value as Record<string, unknown>)[name]
            : undefined,
        JSON.parse(body),
      );
    return ['string', 'number', 'boolean'].includes(typeof found) ? String(found) : undefined;
  } catch {
    return undefined;
  }
}

export function httpSms(provider: HttpSmsProvider, sms: Sms): SmsExchange {
  const values = valuesOf(provider, sms);
  const { body, type } = bodyOf(provider, values);
  const headers = Object.entries(provider.headers).map(([name, value]) => [
    name.toLowerCase(),
    fillText(value, values),
  ]);
  return {
    url: fillText(provider.url, values, encodeURIComponent),
    method: provider.method,
    headers: { ...(type ? { 'content-type': type } : {}), ...Object.fromEntries(headers) },
    ...(body === undefined ? {} : { body }),
    judge(status, answer) {
      const { statuses, member } = provider.success;
      const found = member ? memberAt(answer, member.path) : undefined;
      const isTaken = statuses.includes(status);
      if (isTaken && (!member || member.values.includes(found ?? ''))) return;
      throw new DeliveryError(`the SMS provider answered ${status}`, {
        isFinal: status >= 400 && status < 500 && status !== 408 && status !== 429,
        facts: { status },
      });
    },
  };
}
