import type { Redis } from 'ioredis';

/**
 * What must happen in one step in Redis. Each script touches one key only, so
 * that all of this runs on a cluster; what spans two keys is ordered by the
 * callers so that a crash between leaves nothing that opens anything.
 */
const SCRIPTS = {
  /** KEYS: record. ARGV: payload, ttl (s). Keeps the mark of consumption. */
  gatehouseSave: `redis.call('HSET', KEYS[1], 'p', ARGV[1])
    redis.call('EXPIRE', KEYS[1], ARGV[2])
    return 1`,

  /** KEYS: record. ARGV: now (s). 1 for the one caller that consumed it, else 0. */
  gatehouseConsume: `if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
    return redis.call('HSETNX', KEYS[1], 'c', ARGV[1])`,

  /**
   * KEYS: members of a grant, scored by expiry. ARGV: member, expiry (s), now (s), most members.
   * The set loses what has expired and, beyond the most, what expires first; it lives as long as
   * its last member.
   */
  gatehouseJoin: `redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[3])
    redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[4])
    local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
    if last[2] then redis.call('EXPIRE', KEYS[1], math.max(1, last[2] - ARGV[3])) end
    return 1`,

  /** KEYS: members of a grant. Takes them all. */
  gatehouseTake: `local members = redis.call('ZRANGE', KEYS[1], 0, -1)
    redis.call('DEL', KEYS[1])
    return members`,

  /** KEYS: one-time value. ARGV: ttl (s). 1 where it was absent or only reserved, 0 where it is used. */
  gatehouseSpend: `if redis.call('GET', KEYS[1]) == 'used' then return 0 end
    redis.call('SET', KEYS[1], 'used', 'EX', ARGV[1])
    return 1`,
} as const;

/** The scripts as commands; each is sent by its SHA-1 once the server has it. */
export interface Scripts {
  gatehouseSave(key: string, payload: string, ttl: number): Promise<number>;
  gatehouseConsume(key: string, now: number): Promise<number>;
  gatehouseJoin(
    key: string,
    member: string,
    expiry: number,
    now: number,
    most: number,
  ): Promise<number>;
  gatehouseTake(key: string): Promise<string[]>;
  gatehouseSpend(key: string, ttl: number): Promise<number>;
}

/** Teaches a connection the scripts. */
export function withScripts(redis: Redis): Redis & Scripts {
  for (const [name, lua] of Object.entries(SCRIPTS)) {
    if (!(name in redis)) redis.defineCommand(name, { numberOfKeys: 1, lua });
  }
  return redis as unknown as Redis & Scripts;
}

/** Longest life of any key, seconds: whatever a caller asks for, nothing stays for ever. */
const MAX_TTL = 31 * 24 * 3_600;

/** A life in whole seconds that Redis takes. */
export const toTtl = (seconds: number | undefined): number =>
  Math.max(1, Math.min(Math.ceil(seconds ?? MAX_TTL) || 1, MAX_TTL));
