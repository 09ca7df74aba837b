package tasks

import (
	"context"
	"crypto/sha1" //nolint:gosec // compares with redis.sha1hex, not for security
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// brokenInterval is how often a server looks for broken tasks whose lease has expired. It
// is shorter than the 30 s after which asynq's recoverer reads such tasks. A message that
// cannot be decoded stops the recoverer, so that no task of a crashed worker would be
// executed again.
const brokenInterval = 10 * time.Second

// brokenError means that asynq can neither execute nor end a task, because of its data
// in Redis. Such a task counts as an [ErrUnknownRun]: the run can be enqueued again.
type brokenError struct{ runID, queue, why, digest string }

func (e *brokenError) Error() string {
	return fmt.Sprintf("broken task %s in queue %s: %s", excerpt([]byte(e.runID), 40), e.queue, e.why)
}

func (e *brokenError) Is(target error) bool { return target == ErrUnknownRun }

// states are asynq's states of a task.
var states = []string{"active", "pending", "aggregating", "scheduled", "retry", "archived", "completed"}

// examine returns a [*brokenError] if a task is missing or broken, another error if
// Redis does not answer, and otherwise nil.
func examine(ctx context.Context, rdb redis.UniversalClient, queue, runID string) error {
	fields, err := rdb.HMGet(ctx, "asynq:{"+queue+"}:t:"+runID, "msg", "state").Result()
	switch {
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return &brokenError{runID, queue, "its key is not a hash", ""}
	case err != nil:
		return fmt.Errorf("run %s: %w", excerpt([]byte(runID), 40), err)
	}
	message, ok := fields[0].(string)
	if !ok {
		return &brokenError{runID, queue, "it has no message", ""}
	}
	broken := &brokenError{runID: runID, queue: queue, digest: digest(message)}
	id, itsQueue, err := decodeMessage(message)
	switch state, _ := fields[1].(string); {
	case errors.Is(err, errUnknownRelease):
		return err
	case err != nil:
		broken.why = "its message cannot be decoded"
	case id != runID:
		broken.why = "its message has the id of another task"
	case itsQueue != queue:
		broken.why = "its message belongs to another queue"
	case !slices.Contains(states, state):
		broken.why = "it has no valid state"
	default:
		return nil
	}
	return broken
}

var errUnknownRelease = errors.New("this release of asynq stores tasks in an unknown form")

// decodeMessage decodes a task's message exactly as asynq does. asynq's type is not
// exported, but it is registered with the protobuf library.
func decodeMessage(message string) (id, queue string, err error) {
	kind, err := protoregistry.GlobalTypes.FindMessageByName("asynq.TaskMessage")
	if err != nil {
		return "", "", fmt.Errorf("%w: %w", errUnknownRelease, err)
	}
	m := kind.New()
	if err := proto.Unmarshal([]byte(message), m.Interface()); err != nil {
		return "", "", err
	}
	text := func(name protoreflect.Name) string {
		field := m.Descriptor().Fields().ByName(name)
		if field == nil || field.Kind() != protoreflect.StringKind {
			err = fmt.Errorf("%w: no field %s", errUnknownRelease, name)
			return ""
		}
		return m.Get(field).String()
	}
	return text("id"), text("queue"), err
}

// digest identifies a message for repairScript.
func digest(message string) string {
	sum := sha1.Sum([]byte(message)) //nolint:gosec // compares with redis.sha1hex, not for security
	return hex.EncodeToString(sum[:])
}

// expiredScript returns up to 100 tasks whose lease in KEYS[1] has expired. First, it adds
// an expired lease for each active task in KEYS[2] that has no lease. asynq's recoverer
// does not find such tasks (asynq issues 1051 and 1144).
var expiredScript = redis.NewScript(`
local now = redis.call('TIME')[1]
for _, id in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  if not redis.call('ZSCORE', KEYS[1], id) then
    redis.call('ZADD', KEYS[1], now - 60, id)
  end
end
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 100)`)

// sweep ends broken tasks every brokenInterval until the server is draining.
func (s *Server) sweep() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tick := time.NewTicker(brokenInterval)
	defer tick.Stop()
	s.sweeping.Go(func() {
		select {
		case <-s.draining:
			cancel()
		case <-ctx.Done():
		}
	})
	for {
		if err := s.endBroken(ctx); err != nil && ctx.Err() == nil {
			s.log.Warnw("broken tasks not looked for", "error", bounded(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// endBroken removes the tasks that asynq took from a queue and can neither execute nor
// end. Each of them is logged and observed once, by the server that removed it, as an
// execution with the verdict never. If its run is in the ledger and has not ended, the
// dispatcher enqueues the run again.
func (s *Server) endBroken(ctx context.Context) error {
	for _, queue := range queueNames() {
		prefix := "asynq:{" + queue + "}:"
		ids, err := expiredScript.Run(ctx, s.rdb, []string{prefix + "lease", prefix + "active"}).StringSlice()
		if err != nil {
			return fmt.Errorf("queue %s: %w", queue, err)
		}
		for _, id := range ids {
			err := examine(ctx, s.rdb, queue, id)
			broken, ok := errors.AsType[*brokenError](err)
			switch {
			case err == nil:
				continue // asynq's recoverer takes it
			case !ok:
				return err
			}
			_, removed, err := repair(ctx, s.rdb, queue, id, broken.digest)
			if err != nil {
				return err
			}
			if removed {
				s.logExecution(&execution{queue: queue, runID: excerpt([]byte(id), 40)}, VerdictNever, broken, 0)
			}
		}
	}
	return nil
}
