import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

/**
 * Encrypts small secrets at rest with AES-256-GCM (NIST SP 800-38D).
 * The associated data names what is sealed (`signing_keys:<kid>`), so that a
 * sealed value moved to another row does not open. The value names its key, so
 * that several can be in use while everything is moved to a new one.
 */
export interface Sealer {
  /** Seals under the first key. */
  seal(plain: Buffer | string, associatedData: string): Buffer;
  /**
   * Opens what any of the keys has sealed.
   * @throws when the value was changed, moved, or sealed under a key that is not here
   */
  open(sealed: Buffer, associatedData: string): Buffer;
  /** First eight hex digits of the first key's SHA-256: names the key without telling it. */
  readonly keyId: string;
  /** The bytes that every value sealed under the first key begins with. */
  readonly prefix: Buffer;
}

/** The format without the id of the key; still opened. */
const WITHOUT_KEY_ID = 1;
/** A byte of version, four of the key's id, the IV, the tag, the encrypted text. */
const WITH_KEY_ID = 2;
const KEY_ID_BYTES = 4;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Said when a value was not sealed under a key that is here; the command line explains it. */
const NOT_OURS = 'unable to authenticate data';

const idOf = (key: Buffer): Buffer =>
  createHash('sha256').update(key).digest().subarray(0, KEY_ID_BYTES);

function encrypt(key: Buffer, plain: Buffer | string, associatedData: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(associatedData));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), body]);
}

function decrypt(key: Buffer, encrypted: Buffer, associatedData: string): Buffer {
  const iv = encrypted.subarray(0, IV_BYTES);
  const tag = encrypted.subarray(IV_BYTES, IV_BYTES + TAG_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(associatedData))
    .setAuthTag(tag);
  const body = encrypted.subarray(IV_BYTES + TAG_BYTES);
  return Buffer.concat([decipher.update(body), decipher.final()]);
}

/** Opens a value that does not say under which key it was sealed: the tag tells. */
function decryptByAny(keys: Buffer[], encrypted: Buffer, associatedData: string): Buffer {
  for (const key of keys) {
    try {
      return decrypt(key, encrypted, associatedData);
    } catch {
      // Perhaps the next one.
    }
  }
  throw new Error(NOT_OURS);
}

/**
 * @param key the key-encryption key, 32 bytes
 * @param others further keys of 32 bytes that open what they sealed, and seal nothing
 * @throws RangeError when a key has another length
 */
export function createSealer(key: Buffer, others: Buffer[] = []): Sealer {
  const keys = [key, ...others];
  if (keys.some(({ length }) => length !== 32)) {
    throw new RangeError('the key-encryption key must be 32 bytes long');
  }
  const prefix = Buffer.concat([Buffer.of(WITH_KEY_ID), idOf(key)]);
  const byId = new Map(keys.map((one) => [idOf(one).toString('hex'), one]));
  return {
    keyId: idOf(key).toString('hex'),
    prefix,
    seal: (plain, associatedData) => Buffer.concat([prefix, encrypt(key, plain, associatedData)]),
    open(sealed, associatedData) {
      if (sealed[0] === WITHOUT_KEY_ID) {
        return decryptByAny(keys, sealed.subarray(1), associatedData);
      }
      if (sealed[0] !== WITH_KEY_ID) throw new Error('sealed in an unknown format');
      const id = sealed.subarray(1, 1 + KEY_ID_BYTES).toString('hex');
      const found = byId.get(id);
      if (!found) throw new Error(`${NOT_OURS}: it was sealed under key ${id}`);
      return decrypt(found, sealed.subarray(1 + KEY_ID_BYTES), associatedData);
    },
  };
}
