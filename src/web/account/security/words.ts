import type { ActivityEntry } from '../../../features/activity/index.ts';
import { deviceNames } from '../../../features/session/index.ts';
import type { Locale, Moment, Pages } from '../../../pages/index.ts';
import type { AccountVisit } from '../page.ts';

/** Methods (RFC 8176) that people are told, in the order in which they are told. */
const TOLD = ['pwd', 'webauthn', 'fed', 'otp', 'sms', 'kba'];

/** British, as the rest of the English: a day before its month. */
const tagOf = (locale: Locale): string => (locale === 'en' ? 'en-GB' : locale);

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

/** Facts in words of the language and in the time of a visit. */
export function wordsFor(texts: Pick<Pages, 'text'>, { locale, person }: AccountVisit) {
  const zone = person.zoneinfo;
  // Whose zone is not known is told which one it is.
  const where = zone === null ? { timeZone: 'UTC', timeZoneName: 'short' } : { timeZone: zone };
  const format = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat(tagOf(locale), options);
  const clock = { hour: '2-digit', minute: '2-digit', ...where } as const;
  const instants = format({
    ...{ day: 'numeric', month: 'short', year: 'numeric' },
    ...clock,
  } as Intl.DateTimeFormatOptions);
  const times = format(clock as Intl.DateTimeFormatOptions);
  const days = format({
    ...{ weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' },
    timeZone: where.timeZone,
  });
  const list = new Intl.ListFormat(tagOf(locale), { type: 'conjunction' });

  const moment =
    (formatter: Intl.DateTimeFormat) =>
    (at: Date | string): Moment => {
      const date = new Date(at);
      return { iso: date.toISOString(), text: formatter.format(date) };
    };

  return {
    text: (id: string, values?: Record<string, string | number>) => texts.text(locale, id, values),
    /** Day and time. */
    when: moment(instants),
    /** The time of a day that is told beside it. */
    at: moment(times),
    dayOf: (at: Date | string): string => days.format(new Date(at)),
    device(userAgent: string | null): string {
      const { browser, os } = deviceNames(userAgent);
      if (browser !== null && os !== null) {
        return texts.text(locale, 'device.both', { browser, os });
      }
      return browser ?? os ?? texts.text(locale, 'device.unknown');
    },
    ways(amr: readonly string[]): string {
      const told = TOLD.filter((one) => amr.includes(one));
      const ids = told.length === 0 ? ['unknown'] : told;
      const [first = '', ...others] = ids.map((one) => texts.text(locale, `amr.${one}`));
      return list.format([first, ...others.map(lowerFirst)]);
    },
  };
}

export type Words = ReturnType<typeof wordsFor>;

/** Where an entry of the history came from, in words; null where that is not known. */
export const deviceOf = (words: Words, { userAgent, clientIp }: ActivityEntry): string | null =>
  userAgent === null && clientIp === null ? null : words.device(userAgent);
