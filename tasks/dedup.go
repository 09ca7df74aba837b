package tasks

import (
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// claimLua gives the claim "key" to run "id", if nobody holds it or if the run
// "expired" does. Otherwise it returns the holder, and how long he has held it
// in milliseconds, by Redis' own clock.
const claimLua = `
local time = redis.call('TIME')
local now = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
local held = redis.call('GET', key)
if held then
  local holder, since = string.match(held, '^(%x+) (%d+)$')
  if holder and holder ~= id and holder ~= expired then
    return {holder, string.format('%d', now - since)}
  end
end
redis.call('SET', key, id .. ' ' .. now, 'PX', claimLife)`

// claimScript does nothing else.
var claimScript = redis.NewScript(fmt.Sprintf(`
local key, id, expired, claimLife = KEYS[1], ARGV[1], ARGV[2], %d
%s
return {}`, claimLife.Milliseconds(), claimLua))

// requestLua does all at once, after the script of asynq's as the function
// enqueue, which takes the first %[1]d keys and %[2]d arguments: the claim; the
// list of runs that no worker has seen; the queue in asynq's set; the task. It
// returns nothing if the claim was had.
//
// The claim of a run whose task is written with it needs no grace: it is as old
// as can be, and without its task worth nothing. A repetition that go-redis
// makes after a lost answer finds the claim its own and does no harm.
const requestLua = `
local key, unseen, queues = KEYS[%[1]d + 1], KEYS[%[1]d + 2], KEYS[%[1]d + 3]
local id, queue, expired = ARGV[%[2]d + 1], ARGV[%[2]d + 2], ARGV[%[2]d + 3]
local claimLife = '%[3]d'
if not redis.call('SET', key, id .. ' 0', 'NX', 'PX', claimLife) then
%[5]s
end
if redis.call('RPUSH', unseen, id) > %[4]d then
  redis.call('LTRIM', unseen, -%[4]d, -1)
end
redis.call('SADD', queues, queue)
enqueue()
return {}`

// claimed reads the answer of either script, which was asked for runID.
func claimed(runID string, cmd *redis.Cmd) (holder string, age time.Duration, err error) {
	answer, err := cmd.StringSlice()
	if err != nil {
		return "", 0, fmt.Errorf("claim request: %w", err)
	}
	if len(answer) == 0 {
		return runID, 0, nil
	}
	if len(answer) != 2 {
		return "", 0, fmt.Errorf("claim request: script: %d values", len(answer))
	}
	ms, err := strconv.ParseInt(answer[1], 10, 64)
	if err != nil {
		return "", 0, fmt.Errorf("claim request: script: %w", err)
	}
	return answer[0], time.Duration(ms) * time.Millisecond, nil
}
