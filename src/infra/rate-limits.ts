import type { Redis } from 'ioredis';
import ipaddr from 'ipaddr.js';
import { createBreaker } from '../kernel/breaker.ts';
import type { Clock } from '../kernel/clock.ts';
import { sha256 } from '../kernel/crypto.ts';
import { isDependencyFailure, type Limiter, type LimitName } from '../kernel/http/index.ts';
import { normaliseIp } from '../kernel/http/proxies.ts';

/** A budget: so many hits of one key in any window of this length. */
export interface Limit {
  /** Names the budget, such as `login-ip`; a word, part of the Redis key. */
  bucket: string;
  /** Whose budget: an address from `ipBucket`, a user id. Hashed before it is stored. */
  key: string;
  limit: number;
  /** Milliseconds. */
  windowMs: number;
  /** Once used up, refuse for so many milliseconds from the last hit on, then begin anew: a lock. */
  blockMs?: number;
}

export interface LimitState {
  allowed: boolean;
  limit: number;
  /** Hits left in the present window. */
  remaining: number;
  /** Seconds until a refused hit would be allowed; 0 when allowed. */
  retryAfterSeconds: number;
  /** Seconds until the whole budget is free again, or the lock ends. */
  resetSeconds: number;
}

/** Places taken in several budgets, to be kept on failure and given back on success. */
export interface Reservation {
  allowed: boolean;
  /** One per limit, in the order given. */
  states: LimitState[];
  /** Gives the places back; the second call does nothing. */
  release(): Promise<void>;
}

/**
 * Counts in Redis, atomically and exactly: of any number of hits at once no more
 * pass than of the same hits in a row. Every method throws when Redis does not
 * answer, so that callers fail closed (ASVS 16.5.3).
 */
export interface RateLimits {
  /** Counts a hit; a refused one is not counted. */
  hit(limit: Limit): Promise<LimitState>;
  /** Counts a hit of every budget, or of none when one refuses; one round trip when all allow. */
  hitAll(limits: readonly Limit[]): Promise<{ allowed: boolean; states: LimitState[] }>;
  /** What a hit would answer, without counting it. */
  peek(limit: Limit): Promise<LimitState>;
  /**
   * Takes a place before the work is done that may fail, for budgets that count
   * only failures: guesses in parallel find the places taken.
   */
  reserve(limits: readonly Limit[]): Promise<Reservation>;
  /** Gives one place back in each budget: the newest hit. */
  release(limits: readonly Limit[]): Promise<void>;
  /** Empties a budget: an operator lifts a lock. */
  reset(limit: Pick<Limit, 'bucket' | 'key'>): Promise<void>;
}

/**
 * A sliding log in a list of hit times, oldest first, never longer than the
 * limit. Unlike GCRA or a counter it makes "6 in 5 minutes" true of any five
 * minutes; unlike a sorted set it needs no ids, as hits at one time are alike.
 * Time comes from the caller; a clock behind the newest hit counts as that hit's.
 * Returns: allowed, hits counted, milliseconds to retry, milliseconds to reset.
 */
const HIT = `
local now, limit, window, block, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]),
  tonumber(ARGV[4]), ARGV[5] == '1'
local newest = tonumber(redis.call('LINDEX', KEYS[1], -1))
if newest and newest > now then now = newest end
local used = redis.call('LLEN', KEYS[1])
if block > 0 and used >= limit then
  if newest + block > now then return {0, used, newest + block - now, newest + block - now} end
  redis.call('DEL', KEYS[1])
  used, newest = 0, nil
end
while used > 0 and tonumber(redis.call('LINDEX', KEYS[1], 0)) + window <= now do
  redis.call('LPOP', KEYS[1])
  used = used - 1
end
if used >= limit then
  local free = tonumber(redis.call('LINDEX', KEYS[1], used - limit)) + window - now
  return {0, used, free, newest + window - now}
end
if not count then
  return {1, used, 0, used > 0 and newest + window - now or 0}
end
redis.call('RPUSH', KEYS[1], now)
redis.call('PEXPIRE', KEYS[1], math.max(window, block))
local full = used + 1 >= limit
return {1, used + 1, 0, full and block > 0 and block or window}
`;

interface Commands {
  gatehouseHit(
    key: string,
    ...args: (string | number)[]
  ): Promise<[number, number, number, number]>;
}

const seconds = (milliseconds: number): number => Math.ceil(milliseconds / 1_000);

const keyOf = ({ bucket, key }: Pick<Limit, 'bucket' | 'key'>): string =>
  `rl:${bucket}:{${sha256(`${bucket}\0${key}`).toString('base64url').slice(0, 22)}}`;

/**
 * @param options `redis` fails fast while down; `clock` gives the time of every hit
 */
export function createRateLimits(options: { redis: Redis; clock: Clock }): RateLimits {
  const { redis, clock } = options;
  redis.defineCommand('gatehouseHit', { numberOfKeys: 1, lua: HIT });
  const commands = redis as Redis & Commands;

  async function run(limit: Limit, count: boolean): Promise<LimitState> {
    const [allowed, used, retry, reset] = await commands.gatehouseHit(
      keyOf(limit),
      Math.floor(clock.now()),
      limit.limit,
      limit.windowMs,
      limit.blockMs ?? 0,
      count ? 1 : 0,
    );
    return {
      allowed: allowed === 1,
      limit: limit.limit,
      remaining: Math.max(0, limit.limit - used),
      retryAfterSeconds: seconds(retry),
      resetSeconds: seconds(reset),
    };
  }

  async function release(limits: readonly Limit[]): Promise<void> {
    await Promise.all(limits.map((limit) => redis.rpop(keyOf(limit))));
  }

  // One command per key, sent together: works on a cluster as well. Between the
  // two steps a budget may seem fuller than it is, which only errs towards refusal.
  async function hitAll(limits: readonly Limit[]) {
    const states = await Promise.all(limits.map((limit) => run(limit, true)));
    const allowed = states.every((state) => state.allowed);
    if (!allowed) await release(limits.filter((_, index) => states[index]?.allowed));
    return { allowed, states };
  }

  return {
    hit: (limit) => run(limit, true),
    peek: (limit) => run(limit, false),
    hitAll,
    release,
    async reserve(limits) {
      const { allowed, states } = await hitAll(limits);
      let held = allowed;
      const giveBack = async () => {
        if (!held) return;
        held = false;
        await release(limits);
      };
      return { allowed, states, release: giveBack };
    },
    async reset(limit) {
      await redis.del(keyOf(limit));
    },
  };
}

/**
 * Whose budget an address uses: IPv4 as it is, however it is spelled, IPv6 by its
 * /64, which one customer has whole (CVE-2026-45364). No address shares `unknown`.
 */
export function ipBucket(ip: string | null): string {
  const address = ip === null ? null : normaliseIp(ip);
  if (address === null) return 'unknown';
  if (!address.includes(':')) return address;
  const parts = ipaddr.IPv6.parse(address).parts.slice(0, 4);
  return `${parts.map((part) => part.toString(16)).join(':')}::/64`;
}

/**
 * The network that an address is in, coarse enough to stay the same while one
 * provider assigns new addresses: IPv4 by its /24, IPv6 by its /48.
 */
export function ipNetwork(ip: string | null): string {
  const address = ip === null ? null : normaliseIp(ip);
  if (address === null) return 'unknown';
  if (!address.includes(':')) return `${address.split('.').slice(0, 3).join('.')}.0/24`;
  const parts = ipaddr.IPv6.parse(address).parts.slice(0, 3);
  return `${parts.map((part) => part.toString(16)).join(':')}::/48`;
}

/**
 * The headers that tell a caller its budget: RateLimit-Limit, -Remaining, -Reset
 * (seconds) and RateLimit-Policy of draft-ietf-httpapi-ratelimit-headers-03..06.
 * Later drafts fold them into one `RateLimit` field that few clients read yet.
 */
export function rateLimitHeaders(
  state: LimitState,
  limit: Pick<Limit, 'limit' | 'windowMs'>,
): Record<string, string> {
  return {
    'RateLimit-Limit': String(state.limit),
    'RateLimit-Remaining': String(state.remaining),
    'RateLimit-Reset': String(state.resetSeconds),
    'RateLimit-Policy': `${limit.limit};w=${seconds(limit.windowMs)}`,
  };
}

/** The budget of requests from one address: for all routes together, or for each. */
export interface RequestBudget {
  limit: number;
  /** Milliseconds. */
  windowMs: number;
  perRoute: boolean;
}

/**
 * The limiter of the HTTP API: counts requests by address, in the budget that a
 * route names. While Redis is away the common budget, which only spreads load,
 * lets requests pass uncounted; that of sensitive routes throws, as all limits of
 * guesses do.
 */
export function createRequestLimiter(
  rateLimits: Pick<RateLimits, 'hit'>,
  budgets: Readonly<Record<Exclude<LimitName, 'none'>, RequestBudget>>,
): Limiter {
  const breaker = createBreaker(isDependencyFailure);
  return async ({ limit: name, operationId, clientIp }) => {
    const { limit, windowMs, perRoute } = budgets[name];
    const bucket = perRoute ? `http-${name}-${operationId}` : `http-${name}`;
    const count = async () => {
      const state = await rateLimits.hit({ bucket, key: ipBucket(clientIp), limit, windowMs });
      return {
        allowed: state.allowed,
        retryAfter: state.retryAfterSeconds,
        headers: rateLimitHeaders(state, { limit, windowMs }),
      };
    };
    const uncounted = () => ({ allowed: true, retryAfter: 0, headers: {} });
    return name === 'default' ? breaker(count, uncounted) : count();
  };
}
