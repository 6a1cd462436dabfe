/** The basic characters of SMS, and those that take two places (3GPP TS 23.038 6.2.1). */
const BASIC = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
);
const EXTENDED = new Set('\f^{}\\[~]|€');

/** Places in one message, and in each part of a longer one (3GPP TS 23.040 9.2.3.24.1). */
const ROOM = {
  gsm7: { single: 160, part: 153 },
  ucs2: { single: 70, part: 67 },
} as const;

export interface SmsLength {
  alphabet: keyof typeof ROOM;
  /** Septets or UTF-16 units. */
  units: number;
  /** Messages that are sent, and paid, for it. */
  segments: number;
}

/** How long a text is as an SMS: one character beyond the basic ones makes all cost double. */
export function smsLength(text: string): SmsLength {
  const characters = [...text];
  const isBasic = characters.every((one) => BASIC.has(one) || EXTENDED.has(one));
  const alphabet = isBasic ? 'gsm7' : 'ucs2';
  const units = isBasic
    ? characters.reduce((sum, one) => sum + (EXTENDED.has(one) ? 2 : 1), 0)
    : text.length;
  const { single, part } = ROOM[alphabet];
  return { alphabet, units, segments: units <= single ? 1 : Math.ceil(units / part) };
}

const LOOKALIKES: Record<string, string> = {
  đ: 'd',
  Đ: 'D',
  '’': "'",
  '‘': "'",
  '“': '"',
  '”': '"',
  '–': '-',
  '—': '-',
  '…': '...',
  '\u00a0': ' ',
};

/** The text without marks on its letters, as Vietnamese is written where only ASCII passes. */
export function withoutMarks(text: string): string {
  return text
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .replace(/[đĐ’‘“”–—…\u00a0]/g, (one) => LOOKALIKES[one] ?? one)
    .normalize('NFC');
}

/**
 * The text as it is sent: as it is written where that costs one message, else
 * without marks where that costs fewer.
 * @param options.isPlain for providers that pass on basic characters only
 */
export function fitSms(written: string, options: { isPlain: boolean }): string {
  const text = written.normalize('NFC');
  const plain = withoutMarks(text);
  if (options.isPlain) {
    return Array.from(plain, (one) => (BASIC.has(one) || EXTENDED.has(one) ? one : '?')).join('');
  }
  return smsLength(plain).segments < smsLength(text).segments ? plain : text;
}
