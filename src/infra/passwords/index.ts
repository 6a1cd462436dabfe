import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { AppError } from '../../kernel/errors.ts';
import { isSupportedHash } from './formats.ts';
import type { HashTask } from './worker.ts';

export { isSupportedHash } from './formats.ts';

/**
 * Password hashing with argon2id on threads of its own: libuv's pool of four
 * also signs tokens and resolves names, and slow hashes must not stall those.
 */
export interface Passwords {
  /** The encoded argon2id hash of a password. @throws AppError IDENT_HASH_BUSY */
  hash(password: string): Promise<string>;
  /**
   * Compares a password with an encoded hash, which may be of another system
   * (`isSupported`); with `null` (no such user) or what is no such hash it burns
   * the time of one of ours and says no.
   * @throws AppError IDENT_HASH_BUSY
   */
  verify(password: string, hash: string | null): Promise<boolean>;
  /** Whether a hash was made elsewhere or with other parameters than today's. */
  needsRehash(hash: string): boolean;
  /** Whether passwords can be verified by a hash that was made elsewhere, at a bearable cost. */
  isSupported(hash: string): boolean;
  /** Hashes waiting for a thread. */
  queueDepth(): number;
  close(): Promise<void>;
}

/** Argon2id cost (RFC 9106): memory in KiB, passes, lanes. */
export interface Argon2Cost {
  memoryCost: number;
  timeCost: number;
  parallelism: number;
}

export const DEFAULT_COST: Argon2Cost = { memoryCost: 65_536, timeCost: 3, parallelism: 1 };

/** The cost that is configured. */
export const configuredCost = (config: {
  ARGON2_MEMORY: number;
  ARGON2_PASSES: number;
  ARGON2_LANES: number;
}): Argon2Cost => ({
  memoryCost: config.ARGON2_MEMORY,
  timeCost: config.ARGON2_PASSES,
  parallelism: config.ARGON2_LANES,
});

export interface PasswordOptions {
  /** Hashes computed at once. */
  concurrency?: number;
  /** Hashes that may wait; one more is refused. */
  queueLimit?: number;
  cost?: Argon2Cost;
}

/** Hashes that may wait, unless configured otherwise. */
const DEFAULT_QUEUE = 64;

/** Seconds after which a client that met a full queue may try again. */
const RETRY_AFTER = 2;

/** NFKC before hashing, so that one password typed on two keyboards is one (SP 800-63B-4 3.1.1.2). */
const normalise = (password: string): string => password.normalize('NFKC');

/** Others hashed what was typed as it was; older hashes of ours are of the normal form. */
const spellings = (password: string): string[] => [...new Set([password, normalise(password)])];

/** A hash of nothing anyone knows, with today's cost, to be compared for unknown users. */
function decoyOf(prefix: string): string {
  const [salt, key] = [randomBytes(16), randomBytes(32)].map((bytes) =>
    bytes.toString('base64').replace(/=+$/, ''),
  );
  return `${prefix}${salt}$${key}`;
}

export function createPasswords(options: PasswordOptions = {}): Passwords {
  const cost = options.cost ?? DEFAULT_COST;
  const concurrency = options.concurrency ?? availableParallelism();
  const pool = new Piscina<HashTask, string | boolean>({
    filename: new URL('./worker.ts', import.meta.url).href,
    minThreads: 0,
    maxThreads: concurrency,
    concurrentTasksPerWorker: 1,
    idleTimeout: 60_000,
  });
  const prefix = `$argon2id$v=19$m=${cost.memoryCost},t=${cost.timeCost},p=${cost.parallelism}$`;
  const decoy = decoyOf(prefix);

  // Counted here and not by the pool, which runs what it has refused where no queue is allowed.
  const most = concurrency + (options.queueLimit ?? DEFAULT_QUEUE);
  let present = 0;

  async function run(task: HashTask): Promise<string | boolean> {
    if (present >= most) throw new AppError('IDENT_HASH_BUSY', { retryAfter: RETRY_AFTER });
    present += 1;
    try {
      return await pool.run(task);
    } finally {
      present -= 1;
    }
  }

  const hash = async (password: string): Promise<string> =>
    (await run({ kind: 'hash', password: normalise(password), cost })) as string;

  return {
    hash,
    async verify(password, encoded) {
      const isReadable = encoded !== null && isSupportedHash(encoded);
      const isOurs = !isReadable || encoded.startsWith(prefix);
      const matches = await run({
        kind: 'verify',
        passwords: isOurs ? [normalise(password)] : spellings(password),
        encoded: isReadable ? encoded : decoy,
        yardstick: isOurs ? null : decoy,
      });
      return isReadable && matches === true;
    },
    needsRehash: (encoded) => !encoded.startsWith(prefix),
    isSupported: isSupportedHash,
    queueDepth: () => Math.max(0, present - concurrency),
    close: () => pool.close(),
  };
}
