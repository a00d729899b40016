-- Gives a lease back if it is still ours.
-- KEYS[1] the lease; ARGV[1] holder and term.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
