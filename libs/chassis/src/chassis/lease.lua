-- Keeps a lease: takes it when it is free, prolongs it when it is ours.
-- KEYS[1] the lease; ARGV[1] holder and term; ARGV[2] milliseconds. Answers 1 when it is ours.
local holder = redis.call('GET', KEYS[1])
if not holder then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
return 0
