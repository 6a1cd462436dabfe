import type { Config } from '../../config.ts';
import { LONGEST_TOKEN_TTL, longestAccessToken } from '../../kernel/lifetimes.ts';
import { type SigningAlg, standardAlgs } from './material.ts';
import type { KeyRow } from './repository.ts';

/** When keys change; all spans in seconds. */
export interface KeyPolicy {
  /** Algorithms that there are keys for. */
  algs: readonly SigningAlg[];
  /** Age at which a signing key is replaced; 0: never by itself. */
  interval: number;
  /** A key is published for so long, at least, before it signs by schedule or request. */
  lead: number;
  /** The schedule publishes the next key so long before it is due to sign. */
  ahead: number;
  /** A key stays published for so long after it has ceased to sign. */
  retirement: number;
  /** For how long each secret of cookies and forms is used. */
  secrets: { interval: number; keep: number };
}

/**
 * Seconds within which every process that reaches the database follows a change
 * of keys (it looks every five), with a request under way on top.
 */
export const FOLLOWED_WITHIN = 6;

const DAY = 86_400;

/** The policy that the settings describe. */
export function keyPolicy(config: Config): KeyPolicy {
  const { JWKS_MAX_AGE, KEY_ROTATION_INTERVAL: interval } = config;
  // A copy of the JWKS may be taken, from the slowest process, until the change is followed there.
  const lead = JWKS_MAX_AGE + FOLLOWED_WITHIN;
  const longestToken = Math.max(longestAccessToken(config), config.ID_TOKEN_TTL, LONGEST_TOKEN_TTL);
  return {
    algs: [...standardAlgs, ...config.SIGNING_ALGS_EXPERIMENTAL],
    interval,
    lead,
    // Some verifiers keep a copy for longer than they are told: a day, where there is room for it.
    ahead: Math.max(lead, Math.min(DAY, Math.floor(interval / 2))),
    retirement: Math.max(config.KEY_RETIREMENT, 2 * longestToken),
    secrets: { interval, keep: Math.max(config.SESSION_ABSOLUTE_TTL, DAY) },
  };
}

/** What is to be done with keys now. */
export type KeyStep =
  | { do: 'publish'; alg: SigningAlg }
  | { do: 'promote'; alg: SigningAlg; kid: string }
  | { do: 'erase'; kid: string };

const secondsSince = (date: Date | null, now: number): number =>
  date ? (now - date.getTime()) / 1_000 : Number.POSITIVE_INFINITY;

/** When a published key may sign without meeting a verifier that has not heard of it. */
export const ripeAt = (row: KeyRow, policy: Pick<KeyPolicy, 'lead'>): Date =>
  new Date(row.created_at.getTime() + policy.lead * 1_000);

function planAlg(rows: KeyRow[], alg: SigningAlg, policy: KeyPolicy, now: number): KeyStep[] {
  const current = rows.find((row) => row.alg === alg && row.state === 'current');
  const next = rows.find((row) => row.alg === alg && row.state === 'next');
  if (!current || policy.interval === 0) return [];
  const age = secondsSince(current.activated_at, now);
  if (!next) return age >= policy.interval - policy.ahead ? [{ do: 'publish', alg }] : [];
  const isRipe = ripeAt(next, policy).getTime() <= now;
  return age >= policy.interval && isRipe ? [{ do: 'promote', alg, kid: next.kid }] : [];
}

/**
 * What the schedule has to do, from the state of all keys alone: so any process
 * may do it at any time, and one that was down for a month catches up.
 * @param now milliseconds since the epoch
 */
export function planKeys(rows: KeyRow[], policy: KeyPolicy, now: number): KeyStep[] {
  const spent = rows.filter(
    ({ state, retired_at, private_sealed }) =>
      (state === 'retiring' && secondsSince(retired_at, now) >= policy.retirement) ||
      (state === 'gone' && private_sealed !== null),
  );
  return [
    ...policy.algs.flatMap((alg) => planAlg(rows, alg, policy, now)),
    ...spent.map(({ kid }): KeyStep => ({ do: 'erase', kid })),
  ];
}
