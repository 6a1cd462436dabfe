import { constantTimeEqual, hmacSha256 } from '../../kernel/crypto.ts';
import { newSecret } from '../../kernel/ids.ts';

/**
 * The value of the device cookie: one entry for each account that has signed in
 * with the browser, the newest first. An entry is a random number and its
 * signature together with the account's id, so that it vouches for that account
 * only and tells nobody which account it is.
 */
export interface DeviceCookieCodec {
  /** The number of the entry that vouches for this user; undefined when there is none. */
  find(cookie: string | null | undefined, userId: string): string | undefined;
  /** The cookie with a new entry for this user, in place of the one it had. */
  add(cookie: string | null | undefined, userId: string): { cookie: string; nonce: string };
  /** The cookie with the entry of this user first. */
  keep(cookie: string, userId: string): string;
}

/** Accounts that one cookie vouches for at most; the one used longest ago goes. */
const MOST_ACCOUNTS = 5;

const NONCE_BYTES = 16;
const NONCE_LENGTH = 22;

/** A number and a signature of 128 bits each, in base64url. */
const ENTRY = /^[\w-]{44}$/;

/** @param keys newest first: the newest signs, all verify */
export function createDeviceCookieCodec(keys: readonly Buffer[]): DeviceCookieCodec {
  const [newest] = keys;
  if (!newest) throw new Error('a key for device cookies is needed');

  const sign = (key: Buffer, userId: string, nonce: string): string =>
    hmacSha256(key, `device-cookie:${userId}:${nonce}`)
      .subarray(0, NONCE_BYTES)
      .toString('base64url');

  const entriesOf = (cookie: string | null | undefined): string[] =>
    (cookie ?? '')
      .split('.', MOST_ACCOUNTS + 1)
      .filter((entry) => ENTRY.test(entry))
      .slice(0, MOST_ACCOUNTS);

  const vouches = (entry: string, userId: string): boolean => {
    const nonce = entry.slice(0, NONCE_LENGTH);
    const signature = entry.slice(NONCE_LENGTH);
    return keys.some((key) => constantTimeEqual(signature, sign(key, userId, nonce)));
  };

  const others = (cookie: string | null | undefined, userId: string): string[] =>
    entriesOf(cookie).filter((entry) => !vouches(entry, userId));

  const join = (entries: string[]): string => entries.slice(0, MOST_ACCOUNTS).join('.');

  return {
    find(cookie, userId) {
      const entry = entriesOf(cookie).find((one) => vouches(one, userId));
      return entry?.slice(0, NONCE_LENGTH);
    },
    add(cookie, userId) {
      const nonce = newSecret(NONCE_BYTES);
      const entry = nonce + sign(newest, userId, nonce);
      return { cookie: join([entry, ...others(cookie, userId)]), nonce };
    },
    keep(cookie, userId) {
      const own = entriesOf(cookie).filter((entry) => vouches(entry, userId));
      return join([...own.slice(0, 1), ...others(cookie, userId)]);
    },
  };
}
