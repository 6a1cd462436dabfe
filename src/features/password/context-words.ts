import { readings } from './common.ts';

/** Digits and signs before or after words that make nothing better. */
const LONGEST_AFFIX = 4;

/** Words that are compared at most, and characters of each: names are bounded, but not by us. */
const MOST_WORDS = 64;
const LONGEST_WORD = 320;

/** One spelling: no case, no marks above or below letters, nothing between words. */
const squash = (text: string): string =>
  text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll('đ', 'd')
    .replace(/[\s._\-/\\,'’()+]+/gu, '');

/** A word as it is and its parts: of a name each name, of an address what is around the @ and dots. */
function partsOf(word: string): string[] {
  const text = word.slice(0, LONGEST_WORD);
  const whole = squash(text);
  const isNumber = /^\d+$/.test(whole);
  return [
    whole,
    ...text.split(/[^\p{L}\p{N}\p{M}]+/u).map(squash),
    // A phone number without its country code, of one to three digits, and with a zero for it.
    ...(isNumber ? [1, 2, 3].flatMap((code) => [whole.slice(code), `0${whole.slice(code)}`]) : []),
  ];
}

const isAffix = (text: string): boolean => text.length <= LONGEST_AFFIX && !/\p{L}/u.test(text);

/**
 * Whether a password is made of nothing but words that somebody who knows the
 * person or the place would try first, one or more of them, with a few digits
 * or signs around (ASVS 6.2.11). A word within something longer is fine.
 */
export function isMadeOfContext(password: string, words: readonly string[]): boolean {
  const original = squash(password);
  const parts = new Set(words.slice(0, MOST_WORDS).flatMap(partsOf));
  const known = [...parts].filter((part) => part.length >= 2);
  return readings(original).some((reading) => {
    /** Where words may end that follow each other from the beginning. */
    const ends = new Set<number>();
    for (let at = 0; at < reading.length; at += 1) {
      if (!ends.has(at) && !isAffix(original.slice(0, at))) continue;
      for (const word of known) {
        if (reading.startsWith(word, at)) ends.add(at + word.length);
      }
    }
    return [...ends].some((end) => isAffix(original.slice(end)));
  });
}
