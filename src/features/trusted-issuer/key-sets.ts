import { createLocalJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { MOST_KEYS, publicJwk, publicJwks } from './schema.ts';

/** Milliseconds after which a key set is fetched anew: a key that was withdrawn is gone by then. */
const MAX_AGE = 600_000;

/** Milliseconds that a set may still be used while its server does not answer. */
const MAX_STALE = 3_600_000;

/** Milliseconds between two fetches of one address: unknown `kid`s must not make us its hammer. */
const COOLDOWN = 30_000;

/** Sets that are kept; beyond so many all are forgotten. */
const MOST_SETS = 500;

/** Fetches an address that an administrator named, through the outbound guard. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

interface Entry {
  getKey?: JWTVerifyGetKey;
  /** When the set was read, and when it was last asked for. */
  readAt: number;
  askedAt: number;
  reading?: Promise<void> | undefined;
}

export interface KeySets {
  /**
   * Finds keys of the set at an address, fetched when it is new, old, or lacks
   * the key.
   * @throws AppError IDENT_FEDERATION_UNAVAILABLE when it cannot be had
   */
  at(uri: string): JWTVerifyGetKey;
}

/** What a server may answer: kinds of key that are not known here stand beside those that are. */
const fetchedJwks = z
  .object({ keys: z.array(z.unknown()).max(MOST_KEYS) })
  .transform(({ keys }) => ({ keys: keys.filter((key) => publicJwk.safeParse(key).success) }))
  .pipe(publicJwks);

async function readSet(fetch: Fetch, uri: string): Promise<JWTVerifyGetKey> {
  const response = await fetch(uri, {
    headers: { accept: 'application/jwk-set+json, application/json' },
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new TypeError(`the key set answered ${response.status}`);
  }
  return createLocalJWKSet(fetchedJwks.parse(await response.json()));
}

export function createKeySets({ fetch, clock }: { fetch: Fetch; clock: Clock }): KeySets {
  const entries = new Map<string, Entry>();

  function entryOf(uri: string): Entry {
    const known = entries.get(uri);
    if (known) return known;
    if (entries.size >= MOST_SETS) entries.clear();
    const entry: Entry = { readAt: -Infinity, askedAt: -Infinity };
    entries.set(uri, entry);
    return entry;
  }

  /** Reads the set, once for all who wait; one that cannot be had leaves what there is. */
  async function refresh(uri: string, entry: Entry): Promise<void> {
    if (entry.reading) return entry.reading;
    if (clock.now() - entry.askedAt < COOLDOWN) return;
    entry.askedAt = clock.now();
    entry.reading = readSet(fetch, uri)
      .then((getKey) => {
        entry.getKey = getKey;
        entry.readAt = clock.now();
      })
      .catch((error: unknown) => {
        if (clock.now() - entry.readAt < MAX_STALE) return;
        delete entry.getKey;
        throw new AppError('IDENT_FEDERATION_UNAVAILABLE', { cause: error });
      })
      .finally(() => {
        entry.reading = undefined;
      });
    return entry.reading;
  }

  return {
    at: (uri) => async (header, token) => {
      const entry = entryOf(uri);
      if (clock.now() - entry.readAt >= MAX_AGE) await refresh(uri, entry);
      if (!entry.getKey) throw new AppError('IDENT_FEDERATION_UNAVAILABLE');
      try {
        return await entry.getKey(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        // The key may be newer than the set.
        await refresh(uri, entry);
        return entry.getKey(header, token);
      }
    },
  };
}
