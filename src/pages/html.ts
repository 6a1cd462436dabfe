// Embeddings, overrides and isolates can make a name read as something else, or close the
// isolate a <bdi> opens; control characters have no business on a page.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what is removed
const UNSAFE = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/gu;

// The same without C1, whose references mean other characters; and CR, which would come out as LF.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what is named
const UNSEEN = /[\u0001-\u0008\u000B-\u001F\u007F\u202A-\u202E\u2066-\u2069]/gu;

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Removes characters that reorder or hide text. */
export function plain(value: string): string {
  return value.toWellFormed().replace(UNSAFE, '');
}

/** Escapes a value for HTML text and quoted attributes; null and undefined become nothing. */
export function escapeHtml(value: unknown): string {
  if (value === null || value === undefined) return '';
  return plain(String(value)).replace(/[&<>"']/g, (char) => ENTITIES[char] ?? '');
}

/**
 * Escapes a value for a quoted attribute that a form sends on as it is. What a page must
 * not hold raw is named there, not removed; a NUL is what a parser would make of it.
 */
export function exactAttribute(value: string): string {
  return value
    .replaceAll('\0', '\uFFFD')
    .replace(/[&<>"']/g, (char) => ENTITIES[char] ?? '')
    .replace(UNSEEN, (char) => `&#${char.charCodeAt(0)};`);
}

/** An absolute http or https address, normalised, or null for anything else. */
export function webUrl(value: string | null): string | null {
  if (value === null || !URL.canParse(value)) return null;
  const url = new URL(value);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return null;
  return url.username === '' && url.password === '' ? url.href : null;
}

/** An https address, normalised, of a logo that stands elsewhere; null for anything else. */
export function imageUrl(value: string | null): string | null {
  const url = webUrl(value);
  return url?.startsWith('https:') ? url : null;
}

/** An address of this server (`/path`, `?query`) or an absolute web address; else null. */
export function linkUrl(value: string | null): string | null {
  if (value === null || !URL.canParse(value, 'https://local.invalid')) return null;
  const url = new URL(value, 'https://local.invalid');
  if (url.host !== 'local.invalid') return webUrl(value);
  if (value.startsWith('?')) return url.search;
  return value.startsWith('/') ? `${url.pathname}${url.search}${url.hash}` : null;
}

const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });

/** Shortens a text to `max` characters as people count them, ending in an ellipsis. */
export function clip(value: string, max: number): string {
  const characters = Array.from(segmenter.segment(value), (part) => part.segment);
  return characters.length <= max
    ? value
    : `${characters
        .slice(0, max - 1)
        .join('')
        .trimEnd()}…`;
}

/** The first letter of a name, for an app without a logo. */
export function initial(name: string): string {
  const letter = /[\p{L}\p{N}]\p{M}*/u.exec(plain(name).normalize('NFC'));
  return letter ? letter[0].toLocaleUpperCase('und') : '•';
}

/** The first letters of a person's first and last name; of anything else the first one. */
export function initials(name: string): string {
  const words = plain(name).trim().split(/\s+/);
  const [first = '', ...others] = words;
  const last = others.at(-1);
  const end = last === undefined ? '' : initial(last);
  return `${initial(first)}${end === '•' ? '' : end}`;
}
