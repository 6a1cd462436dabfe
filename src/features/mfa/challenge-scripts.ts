/**
 * One round trip each, on the key of one challenge. Time comes from the caller;
 * Redis' own expiry only bounds storage.
 */

/** Keeps a challenge. KEYS: challenge. ARGV: sealed state, expiry, life. */
export const BEGIN = `
redis.call('HSET', KEYS[1], 'state', ARGV[1], 'expires', ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
`;

/**
 * Takes one of the tries before the answer is looked at, so that answers in
 * parallel get no more than answers in a row. KEYS: challenge. ARGV: now, most.
 * Answers 1, or 0 where there is none to take.
 */
export const TAKE = `
local known = redis.call('HMGET', KEYS[1], 'expires', 'taken')
if not known[1] or tonumber(known[1]) <= tonumber(ARGV[1]) then return 0 end
if tonumber(known[2] or 0) >= tonumber(ARGV[2]) then return 0 end
redis.call('HINCRBY', KEYS[1], 'taken', 1)
return 1
`;

/** Gives a try back that was none. KEYS: challenge. */
export const GIVE_BACK = `
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HINCRBY', KEYS[1], 'taken', -1) end
return 1
`;

/**
 * Counts a wrong answer; the last one ends the challenge. KEYS: challenge. ARGV: most.
 * Answers how many are left, or -1 where it has ended already.
 */
export const FAIL = `
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
local left = tonumber(ARGV[1]) - redis.call('HINCRBY', KEYS[1], 'wrong', 1)
if left <= 0 then redis.call('DEL', KEYS[1]) end
return left
`;

/** Remembers the authenticator that is being set up. KEYS: challenge. ARGV: its id. */
export const NOTE = `
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'enrolling', ARGV[1]) end
return 1
`;
