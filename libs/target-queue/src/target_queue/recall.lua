-- Makes deferred targets callable now, some at a time: the rule that put them off has changed.
-- KEYS: 1 due, 2 deferred. ARGV: 1 how many. Answers how many there were.
local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2]))
local rows = redis.call('ZPOPMIN', KEYS[2], ARGV[1])
for n = 1, #rows, 2 do redis.call('ZADD', KEYS[1], 'XX', now, rows[n]) end
return #rows / 2
