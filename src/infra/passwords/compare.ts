import { hash, pbkdf2Sync, scryptSync, timingSafeEqual } from 'node:crypto';
import { verifySync } from '@node-rs/argon2';
import bcrypt from 'bcryptjs';
import { CRYPT_DIGITS, LIMITS, type StoredHash } from './formats.ts';

/** Bytes of a password that bcrypt looks at. */
const BCRYPT_BYTES = 72;

/**
 * A password that bcrypt would not look at whole matches nothing: cut short, it
 * would be another (ASVS 6.2.8); with a NUL, some of them would be alike.
 */
const isWholeToBcrypt = (password: string): boolean =>
  Buffer.byteLength(password) <= BCRYPT_BYTES && !password.includes('\0');

/** The digits of phpass: three bytes become four of them, the lowest bits first. */
function toCryptDigits(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const group = bytes.subarray(at, at + 3);
    let value = group.reduce((sum, byte, index) => sum + (byte << (8 * index)), 0);
    for (let digit = 0; digit <= group.length; digit += 1) {
      text += CRYPT_DIGITS[value & 63];
      value >>= 6;
    }
  }
  return text;
}

/** The portable hash of phpass, which WordPress (before 6.8) and phpBB 3 kept: MD5, many times. */
function phpass(password: string, salt: string, rounds: number): string {
  const bytes = Buffer.from(password);
  let digest = hash('md5', Buffer.concat([Buffer.from(salt), bytes]), 'buffer');
  for (let round = 0; round < rounds; round += 1) {
    digest = hash('md5', Buffer.concat([digest, bytes]), 'buffer');
  }
  return toCryptDigits(digest);
}

/** Whether a password is the one that a hash was made of; blocks while it computes. */
export function matches(password: string, stored: StoredHash): boolean {
  switch (stored.scheme) {
    case 'argon2':
      return verifySync(stored.encoded, password);
    case 'bcrypt':
      // Computed in any case: the time must not tell how long a password may be.
      return bcrypt.compareSync(password, stored.encoded) && isWholeToBcrypt(password);
    case 'scrypt': {
      const { cost: N, blockSize: r, lanes: p, salt, key } = stored;
      const options = { N, r, p, maxmem: 2 * LIMITS.memory };
      return timingSafeEqual(scryptSync(password, salt, key.length, options), key);
    }
    case 'pbkdf2': {
      const { salt, iterations, key, digest } = stored;
      return timingSafeEqual(pbkdf2Sync(password, salt, iterations, key.length, digest), key);
    }
    case 'phpass': {
      const computed = phpass(password, stored.salt, stored.rounds);
      return timingSafeEqual(Buffer.from(computed), Buffer.from(stored.key));
    }
  }
}
