-- Holds places among the calls that dial for a queue, over all workers together.
-- KEYS: 1 sorted set of the targets that are being dialed, by the end of their place.
-- ARGV: 1 how many may dial at once, 2 how long a place lasts at most, in microseconds, then targets.
-- Answers how many places were held before, then the targets that have one now.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local before = redis.call('ZCARD', KEYS[1])
local free = tonumber(ARGV[1]) - before
local until_ = string.format('%.0f', now + tonumber(ARGV[2]))
local held = {before}
for n = 3, #ARGV do
  local has = redis.call('ZSCORE', KEYS[1], ARGV[n])
  if has or free > 0 then
    if not has then free = free - 1 end
    redis.call('ZADD', KEYS[1], until_, ARGV[n])
    held[#held + 1] = ARGV[n]
  end
end
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if last[2] then redis.call('PEXPIRE', KEYS[1], math.ceil((tonumber(last[2]) - now) / 1000) + 1000) end
return held
