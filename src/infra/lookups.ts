import { hmacSha256 } from '../kernel/crypto.ts';

/** What a digest is of; digests of one kind say nothing about another. */
export type LookupKind =
  | 'user-code'
  | 'hint'
  | 'code'
  | 'code-owner'
  | 'link'
  | 'address'
  | 'recovery-code';

/** Finds values that are too short to be hashed bare: their digests are under a server key. */
export interface Lookups {
  /** The digest to store under, in hexadecimal. */
  digest(kind: LookupKind, value: string): string;
  /** Every digest to look under: one for each key still in use. */
  digests(kind: LookupKind, value: string): string[];
}

/** @param keys newest first: the newest stores, all find */
export function createLookups(keys: readonly Buffer[]): Lookups {
  const under = (key: Buffer, kind: LookupKind, value: string): string =>
    hmacSha256(key, `${kind}:${value}`).toString('hex');
  const [newest] = keys;
  if (!newest) throw new Error('a key for look-ups is needed');
  return {
    digest: (kind, value) => under(newest, kind, value),
    digests: (kind, value) => keys.map((key) => under(key, kind, value)),
  };
}
