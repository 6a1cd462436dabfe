import type { AccountVisit } from './page.ts';

/** A day in words, in the page's language and the person's time zone; UTC without one. */
export const dayOf = (
  { locale, person }: Pick<AccountVisit, 'locale' | 'person'>,
  at: Date,
): string =>
  new Intl.DateTimeFormat(locale === 'en' ? 'en-GB' : locale, {
    dateStyle: 'long',
    timeZone: person.zoneinfo ?? 'UTC',
  }).format(at);
