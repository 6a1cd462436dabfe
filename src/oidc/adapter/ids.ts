import { sha256 } from '../../kernel/crypto.ts';
import { TOKEN_PREFIX } from '../internals.ts';

/** Longest identifier that is looked up, in characters; ours have less than a hundred. */
const LONGEST = 512;

const PREFIXES = Object.entries(TOKEN_PREFIX);

/**
 * Whether `id` may name an artefact of `model` at all. Spares a look-up for
 * values that cannot: those of another kind by their prefix (introspection
 * asks three models for each token), JWTs, and over-long input.
 */
export function mayName(model: string, id: unknown): id is string {
  if (typeof id !== 'string' || id.length === 0 || id.length > LONGEST) return false;
  for (const [kind, prefix] of PREFIXES) {
    if (id.startsWith(prefix)) return kind === model;
  }
  return !isJwtShaped(id);
}

/** Three or more parts with dots between (RFC 7515 7.1, RFC 7516 7.1); our own ids have no dots. */
const isJwtShaped = (id: string): boolean => id.split('.', 3).length === 3;

/**
 * Whether `id` may be a grant's. Grant ids are kept as they are, since they are
 * joined on and open nothing by themselves; hence what is not printable ASCII
 * is kept away from the database (Postgres refuses NUL in text).
 */
export const mayNameGrant = (id: unknown): id is string =>
  typeof id === 'string' && /^[\w-]{1,128}$/.test(id);

/** How a bearer identifier is kept at rest: its SHA-256. */
export const hashId = (id: string): Buffer => sha256(id);
