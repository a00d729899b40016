-- Holds numbers for attempts and lets them go, all of one shard, each by itself.
-- KEYS[1] names the slot; all other keys share it and begin with the prefix of their number.
-- ARGV, six words per request: prefix, attempt id, then
--   "hold", attempts per day and per week (0: no limit), lease in milliseconds; or
--   "let_go", "1" if it was dialed and "0" if it never rang, and two words that say nothing.
-- An attempt counts from its hold, and once let go from the latest instant at which its ring may
-- have begun: so no rolling day of the network sees more of them than the limit.
-- Answers: now, then per request: "held", "gone", "do_not_call", "in_call", "attempts_per_day" or
-- "attempts_per_week", and the instant from which the limit allows one more ("0": none is known).
local DAY = 86400000000
local WEEK = 7 * DAY
local RINGS_WITHIN = 10000000
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local function whole(number) return string.format('%.0f', number) end

local function is_listed(prefix)
  local record = redis.call('GET', prefix .. 'lists')
  return record and string.match(record, '^%d+|[^|]*|(.*)$') ~= '[]'
end

-- The instant at which a limit allows one more attempt: when the last but (limit - 1) is too old.
local function free_at(attempts, limit, window)
  if limit == 0 then return 0 end
  local newest = redis.call('ZREVRANGE', attempts, limit - 1, limit - 1, 'WITHSCORES')
  local at = newest[2] and tonumber(newest[2]) + window or 0
  return at > now and at or 0
end

local function hold(prefix, id, per_day, per_week, lease)
  local attempts = prefix .. 'attempts'
  if is_listed(prefix) then return 'do_not_call', 0 end
  local by = redis.call('GET', prefix .. 'call')
  if by and by ~= id then return 'in_call', 0 end
  if (per_day > 0 or per_week > 0) and not redis.call('ZSCORE', attempts, id) then
    local day, week = free_at(attempts, per_day, DAY), free_at(attempts, per_week, WEEK)
    if week > 0 and week >= day then return 'attempts_per_week', week end
    if day > 0 then return 'attempts_per_day', day end
    redis.call('ZREMRANGEBYSCORE', attempts, '-inf', whole(now - WEEK))
    redis.call('ZADD', attempts, whole(now), id)
    redis.call('PEXPIRE', attempts, whole((WEEK + RINGS_WITHIN) / 1000))
  end
  redis.call('SET', prefix .. 'call', id, 'PX', lease)
  return 'held', 0
end

local function let_go(prefix, id, was_dialed)
  local attempts = prefix .. 'attempts'
  local at = redis.call('ZSCORE', attempts, id)
  if at and was_dialed then
    local by = redis.call('GET', prefix .. 'call')
    if by == id then
      redis.call('ZADD', attempts, whole(math.min(now, tonumber(at) + RINGS_WITHIN)), id)
    end
  elseif at then
    redis.call('ZREM', attempts, id)
  end
  if redis.call('GET', prefix .. 'call') == id then redis.call('DEL', prefix .. 'call') end
  return 'gone', 0
end

local said = {whole(now)}
for n = 1, #ARGV, 6 do
  local word, at
  if ARGV[n + 2] == 'hold' then
    word, at = hold(ARGV[n], ARGV[n + 1], tonumber(ARGV[n + 3]), tonumber(ARGV[n + 4]), ARGV[n + 5])
  else
    word, at = let_go(ARGV[n], ARGV[n + 1], ARGV[n + 3] == '1')
  end
  said[#said + 1] = word
  said[#said + 1] = whole(at)
end
return said
