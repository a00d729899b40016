-- Commits changes, each atomically or not at all: version checks, writes, further commands, messages.
-- KEYS[1] the shard's outbox stream; all other keys share its slot and come in ARGV.
-- ARGV, flat: changes, then per change: operation;
--   writes, then per write: key, expected version, "set", "del" or "check" (a guard), body;
--   commands, then per command: its length and its words;
--   messages, then per message: topic, key, type, correlation id, value, traceparent or "".
-- A record is stored as "version|operation|body". Redis 6.2 commands only.
-- Answers, per change: a stream id (its last message, "0-0" without one), "stale:KEY", or
-- "failed:WHY" when Redis refuses one of its commands: then its records are as they were, it tells
-- nothing, and the changes that travel with it are not touched by that.
local position = 1
local function take()
  local word = ARGV[position]
  position = position + 1
  return word
end

local function already_committed()
  local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
  if #last == 0 then return '0-0' end
  return last[1][1]
end

local function put_back(writes)
  for _, write in ipairs(writes) do
    if write[3] ~= 'check' then
      if write[5] then redis.call('SET', write[1], write[5]) else redis.call('DEL', write[1]) end
    end
  end
end

local answers = {}
for change = 1, tonumber(take()) do
  local operation = take()
  local stale, is_repeated, writes = nil, false, {}
  for w = 1, tonumber(take()) do
    local key, expected, kind, body = take(), tonumber(take()), take(), take()
    local stored = redis.call('GET', key)
    local version, by = 0, nil
    if stored then
      version, by = string.match(stored, '^(%d+)|([^|]*)|')
      version = tonumber(version)
    end
    if by == operation and kind ~= 'check' then
      is_repeated = true
    elseif version ~= expected then
      stale = key
    end
    writes[w] = {key, expected + 1, kind, body, stored}
  end
  local commands = {}
  for c = 1, tonumber(take()) do
    local words = {}
    for n = 1, tonumber(take()) do words[n] = take() end
    commands[c] = words
  end
  local messages = {}
  for m = 1, tonumber(take()) do messages[m] = {take(), take(), take(), take(), take(), take()} end

  if is_repeated then
    answers[change] = already_committed()
  elseif stale then
    answers[change] = 'stale:' .. stale
  else
    for _, write in ipairs(writes) do
      if write[3] == 'del' then
        redis.call('DEL', write[1])
      elseif write[3] == 'set' then
        redis.call('SET', write[1], write[2] .. '|' .. operation .. '|' .. write[4])
      end
    end
    local failed = nil
    for _, words in ipairs(commands) do
      local said = redis.pcall(unpack(words))
      if type(said) == 'table' and said.err then
        failed = said.err
        break
      end
    end
    if failed then
      put_back(writes)
      answers[change] = 'failed:' .. failed
    else
      local last = '0-0'
      for _, m in ipairs(messages) do
        if m[6] == '' then
          last = redis.call('XADD', KEYS[1], '*', 't', m[1], 'k', m[2], 'y', m[3], 'c', m[4], 'v', m[5])
        else
          last = redis.call('XADD', KEYS[1], '*', 't', m[1], 'k', m[2], 'y', m[3], 'c', m[4], 'v', m[5],
            'p', m[6])
        end
      end
      answers[change] = last
    end
  end
end
return answers
