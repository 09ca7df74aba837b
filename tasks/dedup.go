package tasks

import (
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// dedupLua stores the run "id" as the holder of the dedup key "key" if the key is free
// or the run "expired" holds it. Otherwise it returns the holder and the time since the
// holder stored the key, in milliseconds on Redis' clock.
const dedupLua = `
local time = redis.call('TIME')
local now = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
local held = redis.call('GET', key)
if held then
  local holder, since = string.match(held, '^(%x+) (%d+)$')
  if holder and holder ~= id and holder ~= expired then
    return {holder, string.format('%d', now - since)}
  end
end
redis.call('SET', key, id .. ' ' .. now, 'PX', keep)`

// dedupScript runs dedupLua alone.
var dedupScript = redis.NewScript(fmt.Sprintf(`
local key, id, expired, keep = KEYS[1], ARGV[1], ARGV[2], %d
%s
return {}`, dedupKeep.Milliseconds(), dedupLua))

// requestLua makes a whole request in one call. It follows asynq's script, which is
// wrapped in the function enqueue and uses the first %[1]d keys and %[2]d arguments.
// requestLua stores the dedup key, lists the run as unrecorded, adds the queue to
// asynq's set and writes the task. If it stored the dedup key, it returns an empty
// list.
//
// The script writes the key together with its task. If the task is later missing, the
// key expires at once, because its timestamp is 0. If go-redis repeats the call after a
// lost reply, the second call finds its own key and changes nothing.
const requestLua = `
local key, unrecorded, queues = KEYS[%[1]d + 1], KEYS[%[1]d + 2], KEYS[%[1]d + 3]
local id, queue, expired = ARGV[%[2]d + 1], ARGV[%[2]d + 2], ARGV[%[2]d + 3]
local keep = '%[3]d'
if not redis.call('SET', key, id .. ' 0', 'NX', 'PX', keep) then
%[5]s
end
if redis.call('RPUSH', unrecorded, id) > %[4]d then
  redis.call('LTRIM', unrecorded, -%[4]d, -1)
end
redis.call('SADD', queues, queue)
enqueue()
return {}`

// dedupReply parses the reply of dedupLua. If the run now holds the key, holder is
// runID. Otherwise age is how long the holder has had the key.
func dedupReply(runID string, cmd *redis.Cmd) (holder string, age time.Duration, err error) {
	reply, err := cmd.StringSlice()
	if err != nil {
		return "", 0, fmt.Errorf("dedup key: %w", err)
	}
	if len(reply) == 0 {
		return runID, 0, nil
	}
	if len(reply) != 2 {
		return "", 0, fmt.Errorf("dedup key: script: %d values", len(reply))
	}
	ms, err := strconv.ParseInt(reply[1], 10, 64)
	if err != nil {
		return "", 0, fmt.Errorf("dedup key: script: %w", err)
	}
	return reply[0], time.Duration(ms) * time.Millisecond, nil
}
