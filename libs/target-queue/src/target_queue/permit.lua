-- The last word before a ring: may these attempts be originated now? Asked right before it.
-- KEYS: 1 rate, 2 gate (both of one shard, as the attempts are). Without a gate it is the rate of
-- something that campaigns share, and each question comes with version 0.
-- ARGV: 1 run number, or without a gate how many a second, 2 prefix of the attempt records, 3 how many
-- answers; per answer: attempt id and how many microseconds ago its ring had surely begun; then per
-- question: attempt id and the version of its record ("0": it has no record yet, and needs no fence).
-- The rate set holds, per origination of the last second, the instant at which it surely had begun;
-- one that is still under way counts until its answer is told, or PATIENCE is over, from when its
-- permit is valid. A second repeats the one before: rings that come in a cluster would hinder each
-- other for ever, and a minute would hold more or fewer of them. So each keeps CLOSEST of the mean
-- distance from the youngest, and nearly all of it when nearly all places are free: at the beginning.
-- Answers: now, microseconds until asking again is worth it, then a word per question: "go N" (in N
-- microseconds, AHEAD at most; its record's version is one higher from then on), "later", "closed"
-- (the gate is not open for this run) or "lost" (the attempt is in other hands).
local SECOND = 1000000
local PATIENCE = 30000000
local AHEAD = 50000
local CLOSEST = 0.75
local SHORTEST_GAP = 1000
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local function whole(number) return string.format('%.0f', number) end

local answers = tonumber(ARGV[3])
for n = 4, 3 + 2 * answers, 2 do
  redis.call('ZADD', KEYS[1], 'XX', whole(now - tonumber(ARGV[n + 1])), ARGV[n])
end

local said = {whole(now), '0'}
local first = 4 + 2 * answers
local is_open, per_second = true, tonumber(ARGV[1])
if KEYS[2] then
  local stored = redis.call('GET', KEYS[2])
  local gate = stored and cjson.decode(string.match(stored, '^%d+|[^|]*|(.*)$'))
  is_open = gate and gate.is_open and gate.run_number == tonumber(ARGV[1])
  per_second = gate and gate.calls_per_second
end

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', whole(now - SECOND))
local counted = redis.call('ZCARD', KEYS[1])
local is_short = false

local function score_at(rank) return tonumber(redis.call('ZRANGE', KEYS[1], rank, rank, 'WITHSCORES')[2]) end

-- A clock that was set back leaves instants that no permit can have; nobody knows which were answered.
local latest = now + AHEAD + PATIENCE
if counted > 0 and score_at(-1) > latest then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], whole(latest), '+inf')) do
    redis.call('ZADD', KEYS[1], whole(now + PATIENCE), id)
  end
end

-- In how many microseconds the youngest is far enough away, with so many places free.
local function apart_in(free)
  local part = CLOSEST + (1 - CLOSEST) * free / per_second
  local gap = math.ceil(part * SECOND / per_second)
  if counted == 0 or gap < SHORTEST_GAP then return 0 end
  local youngest = score_at(-1)
  if youngest > now then youngest = youngest - PATIENCE end
  return math.max(0, youngest + gap - now)
end

-- In how many microseconds there is room for one more: when as many as are too many have passed.
local function room_in()
  local free = per_second - counted
  if free > 0 then return apart_in(free) end
  return math.max(apart_in(0), score_at(counted - per_second) + SECOND - now)
end

-- What an attempt is told. A permit that still counts is given again, for the same instant: its answer
-- got lost, or has grown old.
local function word_for(id, version)
  if not is_open then return 'closed' end
  local raised = nil
  if version > 0 then
    local record = redis.call('GET', ARGV[2] .. id)
    if not record then return 'lost' end
    local has, by, body = string.match(record, '^(%d+)|([^|]*)|(.*)$')
    has = tonumber(has)
    local is_given = has == version + 1 and by == 'permit'
    if has ~= version and not is_given then return 'lost' end
    local score = is_given and tonumber(redis.call('ZSCORE', KEYS[1], id) or 0) or 0
    if score > now then
      local left = math.max(0, score - PATIENCE - now)
      redis.call('ZADD', KEYS[1], whole(now + left + PATIENCE), id)
      return 'go ' .. whole(left)
    end
    raised = not is_given and (version + 1) .. '|permit|' .. body
  end
  local wait = room_in()
  if wait > AHEAD then
    is_short = true
    return 'later'
  end
  if raised then redis.call('SET', ARGV[2] .. id, raised) end
  counted = counted + redis.call('ZADD', KEYS[1], whole(now + wait + PATIENCE), id)
  return 'go ' .. whole(wait)
end

for n = first, #ARGV, 2 do said[#said + 1] = word_for(ARGV[n], tonumber(ARGV[n + 1])) end
if is_short then said[2] = whole(room_in() - AHEAD) end
redis.call('PEXPIRE', KEYS[1], 60000)
return said
