-- Says that a worker lives, and names those who have not said so for too long.
-- KEYS: 1 sorted set of workers by their last word. ARGV: 1 worker, 2 silence in microseconds that
-- counts as death, 3 "1" when the worker takes its leave: it then counts as dead at once.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
redis.call('ZADD', KEYS[1], ARGV[3] == '1' and '1' or string.format('%.0f', now), ARGV[1])
local silent = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf',
  string.format('%.0f', now - tonumber(ARGV[2])))
local living = redis.call('ZCARD', KEYS[1]) - #silent
return {living, silent}
