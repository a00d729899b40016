-- Claims callable targets for a campaign, as far as there is room, under a lease and a fence.
-- KEYS: 1 gate, 2 due, 3 claims, 4 live, 5 and on: deferred, one per rule (all of one shard). A target
-- waits in one of them; one whom a rule has put off moves to due when its time has come.
-- ARGV: 1 how many, 2 lease in microseconds, 3 prefix of the target records, 4 run number.
-- The fence of a claim is the version of the target's record, which the claim raises by one.
-- Answers: verdict, microseconds until asking again is worth it (0: unknown), gate version, now,
-- open attempts, waiting targets, claimed targets, then per claimed target: id, fence, body.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local live = redis.call('ZCARD', KEYS[4])
local claimed = redis.call('ZCARD', KEYS[3])

local function answer(verdict, pause, gate, targets)
  local waiting = redis.call('ZCARD', KEYS[2])
  for n = 5, #KEYS do waiting = waiting + redis.call('ZCARD', KEYS[n]) end
  local said = {verdict, string.format('%.0f', pause), gate, string.format('%.0f', now), live,
    waiting, claimed}
  for _, word in ipairs(targets) do said[#said + 1] = word end
  return said
end

local stored = redis.call('GET', KEYS[1])
if not stored then return answer('closed', 0, 0, {}) end
local version, body = string.match(stored, '^(%d+)|[^|]*|(.*)$')
local gate = cjson.decode(body)
version = tonumber(version)
if not gate.is_open or gate.run_number ~= tonumber(ARGV[4]) then
  return answer('closed', 0, version, {})
end

local room = gate.max_concurrent_calls - live - claimed
if room <= 0 then return answer('full', 0, version, {}) end

local wanted = math.min(tonumber(ARGV[1]), room)
for n = 5, #KEYS do
  local rows = redis.call('ZRANGEBYSCORE', KEYS[n], '-inf', string.format('%.0f', now), 'WITHSCORES',
    'LIMIT', 0, wanted)
  for m = 1, #rows, 2 do
    redis.call('ZREM', KEYS[n], rows[m])
    redis.call('ZADD', KEYS[2], rows[m + 1], rows[m])
  end
end
local ids = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now), 'LIMIT', 0,
  wanted)
if #ids == 0 then
  local first = math.huge
  for n = 2, #KEYS do
    if n == 2 or n >= 5 then
      local row = redis.call('ZRANGE', KEYS[n], 0, 0, 'WITHSCORES')
      if row[2] then first = math.min(first, tonumber(row[2])) end
    end
  end
  if first == math.huge then return answer('empty', 0, version, {}) end
  return answer('later', first - now, version, {})
end

local targets = {}
local lease = string.format('%.0f', now + tonumber(ARGV[2]))
for _, id in ipairs(ids) do
  redis.call('ZREM', KEYS[2], id)
  local record = redis.call('GET', ARGV[3] .. id)
  if record then
    local fence, what = string.match(record, '^(%d+)|[^|]*|(.*)$')
    fence = tonumber(fence) + 1
    redis.call('SET', ARGV[3] .. id, fence .. '|claim|' .. what)
    redis.call('ZADD', KEYS[3], lease, id)
    targets[#targets + 1] = id
    targets[#targets + 1] = fence
    targets[#targets + 1] = what
    claimed = claimed + 1
  end
end
return answer('claimed', 0, version, targets)
