import { randomBytes } from 'node:crypto';

/** Digits and letters but I, L, O and U, as Crockford's base32: none is taken for another. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** Symbols of a code, of five bits each: 75 bits, where SP 800-63B-4 asks for 64. */
const LENGTH = 15;
const GROUP = 5;

/** Characters of what is read as a code at most. */
const LONGEST = 64;

const CODE = new RegExp(`^[${ALPHABET}]{${LENGTH}}$`);

/** A new code, without the dashes that it is shown with. */
export const newCode = (): string =>
  // 256 is a multiple of 32: each symbol is as likely as any other.
  Array.from(randomBytes(LENGTH), (byte) => ALPHABET[byte % ALPHABET.length]).join('');

/** In groups, for reading: `XXXXX-XXXXX-XXXXX`. */
export const toGroups = (code: string): string =>
  (code.match(new RegExp(`.{${GROUP}}`, 'g')) ?? []).join('-');

/** A code as it was typed, in whatever case and grouping; undefined where it is none. */
export function readCode(typed: string): string | undefined {
  if (typed.length > LONGEST) return undefined;
  const code = typed
    .normalize('NFKC')
    .toUpperCase()
    .replace(/[\s\p{Pd}_.]/gu, '')
    .replace(/O/g, '0')
    .replace(/[IL]/g, '1');
  return CODE.test(code) ? code : undefined;
}
