import type { Revocation } from '../../infra/revocations.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { FactRow } from './facts.ts';
import type { GrantLink } from './request-cache.ts';

/** Milliseconds that a copy may be used. */
const MAX_AGE = 1_000;

/** Copies held at most; one takes about 2 KB. */
const MAX_ENTRIES = 5_000;

interface Copy {
  row: FactRow;
  readAt: number;
  grantId: string | undefined;
  sessionUid: string | undefined;
}

export interface FactCache {
  get(link: GrantLink, read: () => Promise<FactRow>): Promise<FactRow>;
  forget(entries: readonly Pick<Revocation, 'kind' | 'id'>[]): void;
}

/**
 * Grants and sessions that opaque access tokens named within the last second.
 * Resource servers introspect one token again and again; this spares the
 * database. A revocation is felt at once in this process, which is told of it,
 * and after one second at the latest in others. It serves introspection and
 * userinfo only: what issues tokens or shows pages reads afresh.
 */
export function createFactCache(clock: Clock): FactCache {
  const copies = new Map<string, Copy>();
  /** Counts revocations: a row that was read before one must not be kept after it. */
  let generation = 0;

  function keep(key: string, copy: Copy): void {
    // A Map keeps insertion order: the first key is the oldest copy.
    copies.delete(key);
    copies.set(key, copy);
    const oldest = copies.keys().next();
    if (copies.size > MAX_ENTRIES && !oldest.done) copies.delete(oldest.value);
  }

  return {
    async get({ grantId, sessionUid }, read) {
      const key = `${grantId} ${sessionUid}`;
      const readAt = clock.now();
      const copy = copies.get(key);
      if (copy && Math.abs(readAt - copy.readAt) < MAX_AGE) return copy.row;
      const before = generation;
      const row = await read();
      const isWhole = grantId === undefined || row.grant_payload !== null;
      if (isWhole && before === generation) keep(key, { row, readAt, grantId, sessionUid });
      return row;
    },
    forget(entries) {
      generation += 1;
      const ids = new Set(entries.map(({ id }) => id));
      for (const [key, { grantId, sessionUid }] of copies) {
        if (ids.has(grantId ?? '') || ids.has(sessionUid ?? '')) copies.delete(key);
      }
    },
  };
}
