-- Runs commands on keys of one shard. ARGV, flat: per command, how many words it has, then these.
local position = 1
while ARGV[position] do
  local count = tonumber(ARGV[position])
  redis.call(unpack(ARGV, position + 1, position + count))
  position = position + count + 1
end
