-- This script decides about one call, exactly like (*state).ask in decide.go, which
-- explains the decisions.
--
-- KEYS: state (hash), log of the common pool and log of the reserve (lists of ascending
-- times in microseconds). All keys have the same hash tag.
-- ARGV: person (0, 1), limit, window, maximum sleep, settle time, maximum pause, slip,
-- epoch of the caller, used (0, 1), whole (0, 1), then the pool (0, 1) and age of each
-- reported grant.
-- Reply: outcome (0 granted, 1 refused, 2 unknown), wait, epoch, pool.
local person, limit, window = ARGV[1] == '1', tonumber(ARGV[2]), tonumber(ARGV[3])
local sleep, settle, pause, slip = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local known, used, whole = tonumber(ARGV[8]), ARGV[9] == '1', ARGV[10] == '1'

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

-- By default, Lua formats a number this large as 1.7e+15.
local function text(n) return string.format('%.0f', n) end

local function at(key, index) return tonumber(redis.call('LINDEX', key, index) or 0) end

local s = {}
local fields = {'epoch', 'keep', 'pause', 'learned', 'cut', 'settle'}
for i, value in ipairs(redis.call('HMGET', KEYS[1], unpack(fields))) do
  s[fields[i]] = tonumber(value or 0)
end

local changed = {}
local function set(field, value)
  s[field] = value
  changed[#changed + 1] = field
  changed[#changed + 1] = text(value)
end

-- See (*state).forget.
if s.epoch == 0 or math.max(at(KEYS[2], -1), at(KEYS[3], -1)) > now + sleep + slip then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  for _, field in ipairs(fields) do s[field] = 0 end
  set('epoch', now)
end
if s.pause > now + pause + slip then set('pause', 0) end
if s.settle > now + settle + slip then set('settle', 0) end
if window > s.keep then set('keep', window) end
for i = 2, 3 do
  local old = now - s.keep
  if at(KEYS[i], 0) < old then
    local low, high = 0, redis.call('LLEN', KEYS[i]) -- the first entry to keep is in this range
    while low < high do
      local middle = math.floor((low + high) / 2)
      if at(KEYS[i], middle) < old then low = middle + 1 else high = middle end
    end
    redis.call('LTRIM', KEYS[i], low, -1)
  end
end

local factor = 1000
if s.learned > 0 then
  factor = math.min(1000, s.learned + 10 * math.floor(math.max(0, now - s.cut) / window))
end

-- The state expires after two windows, but not before the limit has recovered.
local function reply(outcome, wait, pool)
  if #changed > 0 then redis.call('HSET', KEYS[1], unpack(changed)) end
  local life = math.ceil((2 * s.keep + math.floor((1000 - factor) / 10) * window + 60000000) / 1000)
  for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], text(life)) end
  return {outcome, wait, s.epoch, pool}
end

if s.epoch ~= known and used then
  if not whole then return reply(2, 0, 0) end
  if s.settle == 0 then set('settle', now + settle) end
end

-- See (*state).merge.
local reported = {{}, {}}
for i = 11, #ARGV, 2 do
  local list = reported[tonumber(ARGV[i]) + 1]
  list[#list + 1] = now - tonumber(ARGV[i + 1])
end
for i, list in ipairs(reported) do
  if #list > 0 then
    local key = KEYS[i + 1]
    for _, value in ipairs(redis.call('LRANGE', key, 0, -1)) do list[#list + 1] = tonumber(value) end
    table.sort(list)
    redis.call('DEL', key)
    for _, value in ipairs(list) do redis.call('RPUSH', key, text(value)) end
  end
end

-- See next and spread in decide.go.
local function turn(key, n, from, spread)
  local t, size = from, redis.call('LLEN', key)
  local newest = size > 0 and at(key, -1) or 0
  if size > 0 then t = math.max(t, newest) end
  if size >= n then t = math.max(t, at(key, -n) + window) end
  local half = math.floor(n / 2)
  if spread and n >= 20 and size >= half and at(key, -half) + window > t then
    local gap = math.floor(math.floor(window * 95 / 100) / n)
    if size < n then
      gap = math.max(gap, math.floor((at(key, 0) + window - t) / (n - size + 1)))
    end
    t = math.max(t, newest + gap)
  end
  return t
end

local effective = math.max(1, math.floor(limit * factor / 1000))
local kept = 0
if effective >= 2 then kept = math.max(1, math.floor(effective * 3 / 100)) end
local from = math.max(now, s.pause)
local when, chosen = turn(KEYS[2], effective - kept, math.max(from, s.settle), true), 0
if person and kept > 0 and when > now then
  local early = turn(KEYS[3], kept, from, false)
  if early < when then when, chosen = early, 1 end
end
if when - now > sleep then return reply(1, when - now, 0) end
redis.call('RPUSH', KEYS[2 + chosen], text(when))
return reply(0, when - now, chosen)
