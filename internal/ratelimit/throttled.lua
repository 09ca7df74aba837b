-- This script records one 429, exactly like (*state).throttled in decide.go, which
-- explains the decisions.
--
-- KEYS: as in ask.lua.
-- ARGV: age of the request, window, pause, maximum pause, maximum sleep, slip.
-- Reply: 1 if the limit was lowered, otherwise 0.
local age, window, pause = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local maximum, sleep, slip = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local function text(n) return string.format('%.0f', n) end

local s = {}
local fields = {'epoch', 'keep', 'pause', 'learned', 'cut', 'calm'}
for i, value in ipairs(redis.call('HMGET', KEYS[1], unpack(fields))) do
  s[fields[i]] = tonumber(value or 0)
end

-- See (*state).forget.
local newest = 0
for i = 2, 3 do newest = math.max(newest, tonumber(redis.call('LINDEX', KEYS[i], -1) or 0)) end
if s.epoch == 0 or newest > now + sleep + slip then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  for _, field in ipairs(fields) do s[field] = 0 end
  s.epoch = now
end
s.keep = math.max(s.keep, window)
if s.pause > now + maximum + slip then s.pause = 0 end

local factor = 1000
if s.learned > 0 then
  factor = math.min(1000, s.learned + 10 * math.floor(math.max(0, now - s.cut) / window))
end
s.pause = math.max(s.pause, now + math.min(pause, maximum))
local calm = s.calm
if calm > now + maximum + sleep + slip then calm = 0 end
local lowered = 0
if now - age >= calm then
  lowered = 1
  factor = math.max(100, math.floor(factor * 900 / 1000))
  s.learned, s.cut = factor, now
  s.calm = math.max(s.pause, now + sleep)
end
redis.call('HSET', KEYS[1], 'epoch', text(s.epoch), 'keep', text(s.keep), 'pause', text(s.pause),
  'learned', text(s.learned), 'cut', text(s.cut), 'calm', text(s.calm))
local life = math.ceil((2 * s.keep + math.floor((1000 - factor) / 10) * window + 60000000) / 1000)
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], text(life)) end
return lowered
