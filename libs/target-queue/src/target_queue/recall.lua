-- Makes deferred targets callable now: the rule that put them off is another one now.
-- KEYS: 1 due, 2 deferred. ARGV: 1 how many at most, then which; without any, whoever is first.
-- Answers how many there were.
local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2]))
local recalled = {}
if #ARGV > 1 then
  for n = 2, #ARGV do
    if redis.call('ZREM', KEYS[2], ARGV[n]) == 1 then recalled[#recalled + 1] = ARGV[n] end
  end
else
  local rows = redis.call('ZPOPMIN', KEYS[2], ARGV[1])
  for n = 1, #rows, 2 do recalled[#recalled + 1] = rows[n] end
end
for _, id in ipairs(recalled) do redis.call('ZADD', KEYS[1], now, id) end
return #recalled
