const CANONICAL: ReadonlySet<string> = new Set(Intl.supportedValuesOf('timeZone'));

/** The shape of a name of the IANA database: never an offset, which Intl takes as well. */
const NAME = /^[A-Z][A-Za-z0-9_]*(?:[+-]\d{1,2})?(?:\/[A-Za-z][A-Za-z0-9_+-]*){0,2}$/;

/** Whether a text names a time zone of the IANA database, such as `Asia/Ho_Chi_Minh`. */
export function isTimeZone(text: string): boolean {
  if (CANONICAL.has(text)) return true;
  if (text.length > 64 || !NAME.test(text)) return false;
  try {
    // Links such as Asia/Ho_Chi_Minh are not listed, yet are names.
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}
