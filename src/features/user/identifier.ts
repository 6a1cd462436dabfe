/** What a person types to say who they are, recognised by its shape. */
export type Identifier =
  | { scheme: 'email'; value: string }
  | { scheme: 'phone'; value: string }
  | { scheme: 'username'; value: string };

/** Bytes; nothing longer is an identifier (RFC 5321 4.5.3.1.3 allows 254 for an address). */
const LONGEST = 320;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused here
const CONTROL = /[\u0000-\u001f\u007f]/;

/**
 * Recognises an identifier: an address has an @, a phone number is E.164 with a
 * leading + once spaces and punctuation are gone, all else is a username.
 * @returns undefined for what can be none of them
 */
export function parseIdentifier(input: string): Identifier | undefined {
  const value = input.normalize('NFC').trim();
  if (value === '' || Buffer.byteLength(value) > LONGEST || CONTROL.test(value)) return undefined;
  if (value.includes('@')) return { scheme: 'email', value: value.toLowerCase() };
  const digits = value.replace(/[\s().-]/g, '').replace(/^00/, '+');
  if (/^\+[1-9]\d{6,14}$/.test(digits)) return { scheme: 'phone', value: digits };
  return { scheme: 'username', value: value.toLowerCase() };
}
