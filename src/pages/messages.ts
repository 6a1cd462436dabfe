import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { IntlMessageFormat } from 'intl-messageformat';
import { escapeHtml, plain } from './html.ts';
import { locales } from './locale.ts';
import type { Locale, MessageValues } from './types.ts';

/** The words of the pages in every language. */
export interface Messages {
  has(locale: Locale, id: string): boolean;
  text(locale: Locale, id: string, values?: MessageValues): string;
  /** The message as HTML: each string value escaped and set apart in its own `<bdi>`. */
  rich(locale: Locale, id: string, values: MessageValues): string;
}

/** Reads and compiles `<locale>.json` from a folder; a broken message fails here, at start. */
export function loadMessages(folder: URL): Messages {
  const catalogues = new Map(locales.map((locale) => [locale, compile(folder, locale)]));
  const find = (locale: Locale, id: string): IntlMessageFormat => {
    const message = catalogues.get(locale)?.get(id);
    if (!message) throw new Error(`no message "${id}" in ${locale}`);
    return message;
  };
  return {
    has: (locale, id) => catalogues.get(locale)?.has(id) ?? false,
    text: (locale, id, values = {}) => String(find(locale, id).format(plainValues(values))),
    rich: (locale, id, values) => richText(find(locale, id), values),
  };
}

function compile(folder: URL, locale: Locale): Map<string, IntlMessageFormat> {
  const source: unknown = JSON.parse(readFileSync(new URL(`${locale}.json`, folder), 'utf8'));
  if (typeof source !== 'object' || source === null) throw new Error(`${locale}.json: no object`);
  return new Map(
    Object.entries(source).map(([id, pattern]) => {
      if (typeof pattern !== 'string') throw new Error(`${locale}.json: ${id} is no text`);
      // Tags are not ours: a "<" in a message is a "<".
      return [id, new IntlMessageFormat(pattern, locale, undefined, { ignoreTag: true })];
    }),
  );
}

function plainValues(values: MessageValues): MessageValues {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      key,
      typeof value === 'string' ? plain(value) : value,
    ]),
  );
}

/** A string value travels as an object, so that it stays apart from the words around it. */
interface Held {
  held: string;
}

function richText(message: IntlMessageFormat, values: MessageValues): string {
  const held = Object.fromEntries(
    Object.entries(values).map(([key, value]): [string, number | Held] => [
      key,
      typeof value === 'string' ? { held: value } : value,
    ]),
  );
  return message
    .formatToParts<Held>(held)
    .map((part) =>
      typeof part.value === 'object'
        ? `<bdi class="name">${escapeHtml(part.value.held)}</bdi>`
        : escapeHtml(part.value),
    )
    .join('');
}

/** A folder as a URL that names within it are relative to. */
export function folderUrl(folder: string | URL): URL {
  const url = folder instanceof URL ? new URL(folder) : pathToFileURL(folder);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}
