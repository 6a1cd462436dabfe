/** Characters that stand for letters in passwords; the `1` and `!` for either of two. */
const LEET: Record<string, string> = {
  '0': 'o',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '8': 'b',
  '@': 'a',
  $: 's',
};

/** Readings of a text in which digits and signs may stand for letters, character by character. */
export function readings(text: string): string[] {
  const read = (one: string) =>
    Array.from(text, (sign) => LEET[sign] ?? (sign === '1' || sign === '!' ? one : sign)).join('');
  return [...new Set([text, read('i'), read('l')])];
}

/** The text of which another is a repetition, if it is one. */
const unitOf = (text: string): string | undefined => /^(.+?)\1+$/su.exec(text)?.[1];

/** A unit that is this short makes no password by being repeated. */
const SHORT_UNIT = 3;

async function load(): Promise<ReadonlySet<string>> {
  const { dictionary } = await import('@zxcvbn-ts/language-common');
  return new Set(dictionary['passwords-common']);
}

let loading: Promise<ReadonlySet<string>> | undefined;

/**
 * Whether a whole password is among the 49,000 that are used most (ASVS 6.2.4), whatever the case
 * of its letters and with signs in their place; or nothing but repetitions of one, or of a few
 * characters. Parts of passwords are not looked at (SP 800-63B-4 3.1.1.2).
 */
export async function isCommon(password: string): Promise<boolean> {
  loading ??= load();
  const common = await loading;
  const whole = password.toLowerCase();
  const unit = unitOf(whole);
  if (unit !== undefined && Array.from(unit).length <= SHORT_UNIT) return true;
  return [whole, ...(unit === undefined ? [] : [unit])].some((text) =>
    readings(text).some((reading) => common.has(reading)),
  );
}
