import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Secret } from '../kernel/crypto.ts';
import { createSealer, type Sealer } from './sealing.ts';

/** Bytes of an AES-256 key. */
const KEY_BYTES = 32;

/** Where development keeps the key that it makes for itself. */
export const DEVELOPMENT_KEY_FILE = '.data/key-encryption-key';

/**
 * Reads 32 bytes from their base64, base64url or hex form.
 * @throws Error naming `source` when the text is anything else
 */
function decodeKey(text: string, source: string): Buffer {
  const value = text.trim();
  const key = /^[0-9a-f]{64}$/i.test(value)
    ? Buffer.from(value, 'hex')
    : Buffer.from(value, 'base64');
  if (key.length !== KEY_BYTES) {
    throw new Error(
      `${source} must hold 32 bytes as base64 or hex; make one with: openssl rand -base64 32`,
    );
  }
  return key;
}

/** Makes the development key once; of two processes at once, both read the same. */
function makeDevelopmentKey(file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  try {
    writeFileSync(file, `${randomBytes(KEY_BYTES).toString('base64')}\n`, {
      flag: 'wx',
      mode: 0o600,
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** The settings that say which keys seal and open; a part of the configuration. */
export interface SealingSettings {
  KEY_ENCRYPTION_KEY?: Secret | undefined;
  KEY_ENCRYPTION_KEY_FILE: string | undefined;
  /** A key that also opens: the one before or the one to come, while values are moved. */
  KEY_ENCRYPTION_KEY_OTHER?: Secret | undefined;
  isProduction: boolean;
}

/**
 * The key-encryption key: from the setting, its file, or, outside production,
 * a file that is made on the first start.
 */
function loadKeyEncryptionKey(settings: SealingSettings): Buffer {
  if (settings.KEY_ENCRYPTION_KEY) {
    return decodeKey(settings.KEY_ENCRYPTION_KEY.reveal(), 'KEY_ENCRYPTION_KEY');
  }
  if (!settings.KEY_ENCRYPTION_KEY_FILE) {
    if (settings.isProduction) throw new Error('production needs a key-encryption key');
    makeDevelopmentKey(DEVELOPMENT_KEY_FILE);
  }
  const file = settings.KEY_ENCRYPTION_KEY_FILE ?? DEVELOPMENT_KEY_FILE;
  return decodeKey(readFileSync(file, 'utf8'), file);
}

/**
 * The sealer that the settings describe.
 * @throws Error when no key can be had or one is malformed
 */
export function loadSealer(settings: SealingSettings): Sealer {
  const other = settings.KEY_ENCRYPTION_KEY_OTHER?.reveal();
  return createSealer(
    loadKeyEncryptionKey(settings),
    other === undefined ? [] : [decodeKey(other, 'KEY_ENCRYPTION_KEY_OTHER')],
  );
}
