/**
 * One round trip each, on keys of one cluster slot. Time comes from the caller;
 * Redis' own expiry only bounds storage. Each answers a word and milliseconds.
 */

/**
 * Takes a place to send a code and keeps the code, in place of an older one.
 * KEYS: code, lock, cooldown, daily. ARGV: now, digest, expiry, life of the
 * code, cooldown, quota, length of a day.
 */
export const REQUEST = `
local now, life = tonumber(ARGV[1]), tonumber(ARGV[4])
local cooldown, quota, day = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local locked = tonumber(redis.call('HGET', KEYS[2], 'until') or 0)
if locked > now then return {'locked', locked - now} end
local ready = tonumber(redis.call('GET', KEYS[3]) or 0)
if ready > now then return {'cooldown', ready - now} end
local sent = redis.call('LLEN', KEYS[4])
while sent > 0 and tonumber(redis.call('LINDEX', KEYS[4], 0)) + day <= now do
  redis.call('LPOP', KEYS[4])
  sent = sent - 1
end
if sent >= quota then
  return {'quota', tonumber(redis.call('LINDEX', KEYS[4], sent - quota)) + day - now}
end
redis.call('RPUSH', KEYS[4], now)
redis.call('PEXPIRE', KEYS[4], day)
redis.call('SET', KEYS[3], now + cooldown, 'PX', cooldown)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'digest', ARGV[2], 'expires', ARGV[3])
redis.call('PEXPIRE', KEYS[1], life)
return {'sent', 0}
`;

/**
 * Tries a code. Only a try that could have been right counts: without a code
 * there is nothing to guess. The last wrong one ends the code and begins the
 * lockout; the right one ends the code. Digests under a server key are compared,
 * each byte of them whatever the others say.
 * KEYS: code, lock. ARGV: now, digest, most wrong tries, lockout.
 */
export const VERIFY = `
local now, most, lockout = tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[4])
local known = redis.call('HMGET', KEYS[2], 'until', 'wrong', 'last')
local locked = tonumber(known[1] or 0)
if locked > now then return {'locked', locked - now} end
local code = redis.call('HMGET', KEYS[1], 'digest', 'expires')
if not code[1] or tonumber(code[2]) <= now then return {'spent', 0} end
local difference = 0
for index = 1, #ARGV[2] do
  difference = bit.bor(difference, bit.bxor(code[1]:byte(index) or 256, ARGV[2]:byte(index)))
end
if difference == 0 then
  redis.call('DEL', KEYS[1], KEYS[2])
  return {'verified', 0}
end
local isRecent = known[3] and tonumber(known[3]) + lockout > now and locked == 0
local wrong = (isRecent and tonumber(known[2]) or 0) + 1
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'wrong', wrong, 'last', now)
redis.call('PEXPIRE', KEYS[2], lockout)
if wrong < most then return {'wrong', 0} end
redis.call('HSET', KEYS[2], 'until', now + lockout)
redis.call('DEL', KEYS[1])
return {'closed', 0}
`;
