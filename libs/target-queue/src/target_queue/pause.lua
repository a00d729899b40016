-- Begins a pause for all workers, unless a longer one is under way, and tells them.
-- KEYS: 1 mark of the pause, which ends by itself. ARGV: 1 milliseconds, 2 channel to tell it on.
if tonumber(ARGV[1]) > redis.call('PTTL', KEYS[1]) then
  redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
  redis.call('PUBLISH', ARGV[2], ARGV[1])
end
