-- Drops published messages from an outbox and announces the last one, under a lease that still holds.
-- KEYS[1] outbox, KEYS[2] published id (also the channel), KEYS[3] lease; ARGV[1] last id, ARGV[2] holder.
if redis.call('GET', KEYS[3]) ~= ARGV[2] then return 0 end
redis.call('XTRIM', KEYS[1], 'MINID', ARGV[1])
redis.call('XDEL', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[1])
redis.call('PUBLISH', KEYS[2], ARGV[1])
return 1
