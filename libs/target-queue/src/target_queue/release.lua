-- Gives claimed targets back: those named with their fence, or those whose lease has run out.
-- KEYS: 1 due, 2 claims; where a rule puts them off: 3 those whom it has put off, 4 gate.
-- ARGV: 1 prefix of the target records, 2 sequence of the campaign by which they were judged, then per
-- target its id, its fence and when it becomes callable again, in microseconds (0: at once); without
-- any, every claim whose lease has ended. The fence is raised, so that nothing can be done any more
-- in the name of the old claim. If the gate has a newer campaign they are soon judged again.
-- Answers how many were given back.
local SOON = 500000
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = string.format('%.0f', micros)
local given = 0
local gate = KEYS[4] and redis.call('GET', KEYS[4])
local is_put_off = gate and
  cjson.decode(string.match(gate, '^%d+|[^|]*|(.*)$')).sequence <= tonumber(ARGV[2])

local function give_back(id, fence, due)
  if not redis.call('ZSCORE', KEYS[2], id) then return end
  local record = redis.call('GET', ARGV[1] .. id)
  if not record then
    redis.call('ZREM', KEYS[2], id)
    return
  end
  local version, what = string.match(record, '^(%d+)|[^|]*|(.*)$')
  if fence and version ~= fence then return end
  redis.call('SET', ARGV[1] .. id, (tonumber(version) + 1) .. '|release|' .. what)
  redis.call('ZREM', KEYS[2], id)
  if KEYS[3] and not is_put_off then due = string.format('%.0f', micros + SOON) end
  redis.call('ZADD', is_put_off and KEYS[3] or KEYS[1], due == '0' and now or due, id)
  given = given + 1
end

if #ARGV > 2 then
  for n = 3, #ARGV, 3 do give_back(ARGV[n], ARGV[n + 1], ARGV[n + 2]) end
else
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 500)) do
    give_back(id, nil, '0')
  end
end
return given
