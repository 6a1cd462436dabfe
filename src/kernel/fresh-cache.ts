import type { Clock } from './clock.ts';

/** Copies of what is asked for again and again, each used for a short time. */
export interface FreshCache<T> {
  /** The copy under `key`, else what `read` gives; who asks meanwhile shares that one read. */
  get(key: string, read: () => Promise<T>): Promise<T>;
  /** Forgets a copy, and a read under way: whoever asks next sees what is there now. */
  delete(key: string): void;
}

/**
 * @param options `maxAge` in milliseconds: how long a copy may be used;
 *   `maxEntries`: beyond so many all are forgotten, so that memory stays bounded
 */
export function createFreshCache<T>(options: {
  clock: Clock;
  maxAge: number;
  maxEntries: number;
}): FreshCache<T> {
  const { clock, maxAge, maxEntries } = options;
  const copies = new Map<string, { value: T; at: number }>();
  const reads = new Map<string, Promise<T>>();

  async function readOnce(key: string, read: () => Promise<T>): Promise<T> {
    const at = clock.now();
    const reading = read();
    reads.set(key, reading);
    try {
      const value = await reading;
      // Forgotten meanwhile: what was read may be what was there before the change.
      if (reads.get(key) === reading) {
        if (copies.size >= maxEntries) copies.clear();
        copies.set(key, { value, at });
      }
      return value;
    } finally {
      if (reads.get(key) === reading) reads.delete(key);
    }
  }

  return {
    async get(key, read) {
      const copy = copies.get(key);
      if (copy && Math.abs(clock.now() - copy.at) < maxAge) return copy.value;
      return reads.get(key) ?? readOnce(key, read);
    },
    delete(key) {
      copies.delete(key);
      reads.delete(key);
    },
  };
}
