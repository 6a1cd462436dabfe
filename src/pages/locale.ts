import type { Locale } from './types.ts';

/** Languages there are message files for; the first is the last resort. */
export const locales: readonly Locale[] = ['en', 'vi'];

export const isLocale = (value: string): value is Locale => locales.some((one) => one === value);

// Long headers are cut, not parsed: nobody has this many languages.
const MAX_LENGTH = 512;
const MAX_RANGES = 20;

/** Where a wish for a language can come from; any of them may be missing or garbage. */
export interface LocaleWishes {
  /** `ui_locales`, space-separated BCP 47 tags. */
  uiLocales?: string | null | undefined;
  /** The language chosen earlier on a page. */
  cookie?: string | null | undefined;
  acceptLanguage?: string | null | undefined;
  tenantDefault?: string | null | undefined;
}

/**
 * Chooses the language of a page: what the request asks for, then the remembered choice, then
 * the browser, then the tenant. RFC 4647 lookup within each, so `vi-VN` finds `vi`.
 */
export function negotiateLocale(wishes: LocaleWishes): Locale {
  return (
    firstKnown(split(wishes.uiLocales, /\s+/)) ??
    firstKnown(split(wishes.cookie, /\s+/)) ??
    firstKnown(acceptedRanges(wishes.acceptLanguage)) ??
    firstKnown(split(wishes.tenantDefault, /\s+/)) ??
    'en'
  );
}

function split(input: unknown, separator: RegExp): string[] {
  if (typeof input !== 'string') return [];
  return input.slice(0, MAX_LENGTH).trim().split(separator, MAX_RANGES);
}

function firstKnown(ranges: string[]): Locale | undefined {
  for (const range of ranges) {
    const found = lookup(range);
    if (found) return found;
  }
  return undefined;
}

/** RFC 4647 section 3.4: cut subtags from the end until a language matches. */
function lookup(range: string): Locale | undefined {
  if (!/^[a-z]{2,8}(?:-[a-z0-9]{1,8})*$/i.test(range)) return undefined;
  let candidate = range.toLowerCase();
  for (;;) {
    const match = locales.find((locale) => locale === candidate);
    if (match) return match;
    const cut = candidate.lastIndexOf('-');
    if (cut < 0) return undefined;
    // A single letter or digit introduces what follows it, so it goes too.
    candidate = candidate.slice(0, cut).replace(/-[a-z0-9]$/, '');
  }
}

/** Ranges of an Accept-Language header by falling q; q=0 and malformed weights are dropped. */
function acceptedRanges(header: unknown): string[] {
  const weighted = split(header, /\s*,\s*/).flatMap((item) => {
    const [range = '', ...parameters] = item.split(/\s*;\s*/);
    const q = parameters.length === 0 ? 1 : weight(parameters);
    return q > 0 ? [{ range, q }] : [];
  });
  return weighted.sort((a, b) => b.q - a.q).map((entry) => entry.range);
}

function weight(parameters: string[]): number {
  const match = /^q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i.exec(parameters[0] ?? '');
  return parameters.length === 1 && match ? Number(match[1]) : 0;
}
