/** Hash functions under PBKDF2 that others have used. */
export type Pbkdf2Digest = 'sha1' | 'sha256' | 'sha512';

/** A password hash as it is stored, read and found to be affordable. */
export type StoredHash =
  | { scheme: 'argon2'; encoded: string }
  | { scheme: 'bcrypt'; encoded: string }
  | { scheme: 'scrypt'; cost: number; blockSize: number; lanes: number; salt: Buffer; key: Buffer }
  | { scheme: 'pbkdf2'; digest: Pbkdf2Digest; iterations: number; salt: Buffer; key: Buffer }
  | { scheme: 'phpass'; rounds: number; salt: string; key: string };

/**
 * What computing one hash may cost at most, about a second of one core: a hash
 * that somebody else made must not be a way to exhaust us.
 */
export const LIMITS = {
  /** Bytes of memory, of argon2 and scrypt. */
  memory: 256 * 1024 * 1024,
  /** Bytes that argon2 writes in all passes together. */
  argon2Work: 2_560 * 1024 * 1024,
  /** Bytes that scrypt writes in all lanes together. */
  scryptWork: 512 * 1024 * 1024,
  /** Iterations of PBKDF2, over all blocks of the key. */
  pbkdf2Work: 2_000_000,
  /** Logarithms of the rounds. */
  bcryptCost: 14,
  phpassCost: 18,
} as const;

/** Characters of an encoded hash; none that we read is longer. */
const LONGEST = 512;

/** Bytes of a derived key: a shorter one is met by chance, a longer one only costs. */
const KEY = { min: 16, max: 128 };

/** The 64 digits of crypt(3), in order. */
export const CRYPT_DIGITS = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const ARGON2 =
  /^\$argon2(?:id|i|d)(?:\$v=(?:16|19))?\$m=(\d{1,8}),t=(\d{1,8}),p=(\d{1,4})\$([A-Za-z0-9+/]{11,})\$([A-Za-z0-9+/]{22,})$/;
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const SCRYPT = /^\$scrypt\$(\w+=\d{1,8},\w+=\d{1,8},\w+=\d{1,8})\$([^$]+)\$([^$]+)$/;
/** The PHC string format, and the one of Python's passlib, which writes only the rounds. */
const PBKDF2 =
  /^\$pbkdf2(?:-(sha1|sha256|sha512))?\$(?:i=(\d{1,8})(?:,l=(\d{1,4}))?|(\d{1,8}))\$([^$]+)\$([^$]+)$/;
const DJANGO = /^pbkdf2_(sha1|sha256)\$(\d{1,8})\$([^$]+)\$([^$]+)$/;
const PHPASS = /^\$[PH]\$([./0-9A-Za-z])([./0-9A-Za-z]{8})([./0-9A-Za-z]{22})$/;

/** Base64 with or without padding, also with passlib's `.` for `+`; nothing for anything else. */
function fromBase64(text: string): Buffer | undefined {
  const canonical = text.replaceAll('.', '+').replace(/={1,2}$/, '');
  const bytes = Buffer.from(canonical, 'base64');
  return bytes.toString('base64').replace(/=+$/, '') === canonical ? bytes : undefined;
}

const isKey = (key: Buffer | undefined): key is Buffer =>
  key !== undefined && key.length >= KEY.min && key.length <= KEY.max;

function argon2(encoded: string, [, m, t, p, salt = '', key = '']: string[]) {
  const [memory, passes, lanes] = [Number(m) * 1024, Number(t), Number(p)];
  const isAffordable = memory <= LIMITS.memory && memory * passes <= LIMITS.argon2Work;
  // RFC 9106 3.1: at least one pass and one lane, and 8 KiB for each lane.
  const isSound = passes >= 1 && lanes >= 1 && memory >= 8 * 1024 * lanes;
  const isReadable = fromBase64(salt) !== undefined && isKey(fromBase64(key));
  return isAffordable && isSound && isReadable
    ? ({ scheme: 'argon2', encoded } as const)
    : undefined;
}

function bcrypt(encoded: string, [, cost]: string[]) {
  const isAffordable = Number(cost) >= 4 && Number(cost) <= LIMITS.bcryptCost;
  return isAffordable ? ({ scheme: 'bcrypt', encoded } as const) : undefined;
}

function scrypt([, list = '', encodedSalt = '', encodedKey = '']: string[]) {
  const parameters = new Map(list.split(',').map((item) => item.split('=') as [string, string]));
  const [ln, r, p] = ['ln', 'r', 'p'].map((name) => Number(parameters.get(name)));
  const [salt, key] = [fromBase64(encodedSalt), fromBase64(encodedKey)];
  if (!ln || !r || !p || ln > 24 || !salt || !isKey(key)) return undefined;
  const memory = 128 * 2 ** ln * r;
  // RFC 7914 2: N is less than 2^(128 * r / 8).
  const isAffordable = memory <= LIMITS.memory && memory * p <= LIMITS.scryptWork && ln < 16 * r;
  return isAffordable
    ? ({ scheme: 'scrypt', cost: 2 ** ln, blockSize: r, lanes: p, salt, key } as const)
    : undefined;
}

const DIGEST_BYTES: Record<Pbkdf2Digest, number> = { sha1: 20, sha256: 32, sha512: 64 };

function pbkdf2(digest: Pbkdf2Digest, count: string, salt: Buffer | undefined, encodedKey: string) {
  const iterations = Number(count);
  const key = fromBase64(encodedKey);
  if (!salt || !isKey(key) || iterations < 1) return undefined;
  const work = iterations * Math.ceil(key.length / DIGEST_BYTES[digest]);
  return work <= LIMITS.pbkdf2Work
    ? ({ scheme: 'pbkdf2', digest, iterations, salt, key } as const)
    : undefined;
}

function phpass([, digit = '', salt = '', key = '']: string[]) {
  const cost = CRYPT_DIGITS.indexOf(digit);
  const isAffordable = cost >= 7 && cost <= LIMITS.phpassCost;
  return isAffordable ? ({ scheme: 'phpass', rounds: 2 ** cost, salt, key } as const) : undefined;
}

/**
 * Reads an encoded hash of any scheme that passwords are verified by.
 * @returns nothing for an unknown or malformed one, and for one whose parameters
 *   ask for more memory or time than LIMITS allow
 */
export function parseHash(encoded: string): StoredHash | undefined {
  if (encoded.length > LONGEST) return undefined;
  const found = (pattern: RegExp) => pattern.exec(encoded) as string[] | null;
  const asArgon2 = found(ARGON2);
  if (asArgon2) return argon2(encoded, asArgon2);
  const asBcrypt = found(BCRYPT);
  if (asBcrypt) return bcrypt(encoded, asBcrypt);
  const asScrypt = found(SCRYPT);
  if (asScrypt) return scrypt(asScrypt);
  const asPbkdf2 = found(PBKDF2);
  if (asPbkdf2) {
    const [, digest = 'sha1', i, length, rounds = '', salt = '', key = ''] = asPbkdf2;
    if (length !== undefined && Number(length) !== fromBase64(key)?.length) return undefined;
    return pbkdf2(digest as Pbkdf2Digest, i ?? rounds, fromBase64(salt), key);
  }
  const asDjango = found(DJANGO);
  if (asDjango) {
    const [, digest, iterations = '', salt = '', key = ''] = asDjango;
    return pbkdf2(digest as Pbkdf2Digest, iterations, Buffer.from(salt), key);
  }
  const asPhpass = found(PHPASS);
  return asPhpass ? phpass(asPhpass) : undefined;
}

/** Whether passwords can be verified by a hash that was made elsewhere. */
export const isSupportedHash = (encoded: string): boolean => parseHash(encoded) !== undefined;
