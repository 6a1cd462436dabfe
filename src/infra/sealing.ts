import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

/**
 * Encrypts small secrets at rest with AES-256-GCM (NIST SP 800-38D).
 * The associated data names what is sealed (`signing_keys:<kid>`), so that a
 * sealed value moved to another row does not open.
 */
export interface Sealer {
  seal(plain: Buffer | string, associatedData: string): Buffer;
  /** Throws when the value was changed, moved, or sealed under another key. */
  open(sealed: Buffer, associatedData: string): Buffer;
  /** First eight hex digits of the key's SHA-256: names the key without telling it. */
  readonly keyId: string;
}

const VERSION = 1;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * @param key the key-encryption key, 32 bytes
 * @throws RangeError when the key has another length
 */
export function createSealer(key: Buffer): Sealer {
  if (key.length !== 32) throw new RangeError('the key-encryption key must be 32 bytes long');
  return {
    keyId: createHash('sha256').update(key).digest('hex').slice(0, 8),
    seal(plain, associatedData) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(associatedData));
      const body = Buffer.concat([cipher.update(plain), cipher.final()]);
      return Buffer.concat([Buffer.of(VERSION), iv, cipher.getAuthTag(), body]);
    },
    open(sealed, associatedData) {
      if (sealed[0] !== VERSION) throw new Error('sealed under an unknown format');
      const iv = sealed.subarray(1, 1 + IV_BYTES);
      const tag = sealed.subarray(1 + IV_BYTES, 1 + IV_BYTES + TAG_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(associatedData))
        .setAuthTag(tag);
      const body = sealed.subarray(1 + IV_BYTES + TAG_BYTES);
      return Buffer.concat([decipher.update(body), decipher.final()]);
    },
  };
}
