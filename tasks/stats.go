package tasks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// QueueNumbers is the state of one queue.
type QueueNumbers struct {
	Name string
	// Tasks by asynq's state: pending, active, scheduled, retry, archived,
	// completed.
	Tasks map[string]int
	// Latency is for how long the task that is next has been waiting; 0: none is.
	Latency time.Duration
	Paused  bool
}

// Queues counts what is in each queue, in two round trips whatever that is.
// (asynq's own look at a queue takes no context and weighs tasks besides.)
func (s *Server) Queues(ctx context.Context) ([]QueueNumbers, error) {
	type answers struct {
		counts map[string]*redis.IntCmd
		paused *redis.IntCmd
		next   *redis.StringCmd
	}
	names := queueNames()
	asked := make([]answers, len(names))
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, name := range names {
			key := "asynq:{" + name + "}:"
			asked[i] = answers{counts: map[string]*redis.IntCmd{}, paused: p.Exists(ctx, key+"paused"), next: p.LIndex(ctx, key+"pending", -1)}
			for _, list := range []string{"pending", "active"} {
				asked[i].counts[list] = p.LLen(ctx, key+list)
			}
			for _, set := range []string{"scheduled", "retry", "archived", "completed"} {
				asked[i].counts[set] = p.ZCard(ctx, key+set)
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("queues: %w", err)
	}
	queues := make([]QueueNumbers, len(names))
	for i, name := range names {
		queues[i] = QueueNumbers{Name: name, Tasks: map[string]int{}, Paused: asked[i].paused.Val() > 0}
		for state, n := range asked[i].counts {
			queues[i].Tasks[state] = int(n.Val())
		}
		if queues[i].Latency, err = s.waiting(ctx, name, asked[i].next.Val()); err != nil {
			return nil, fmt.Errorf("queues: %w", err)
		}
	}
	return queues, nil
}

// waiting is for how long a task has been pending; 0 if it is so no more.
func (s *Server) waiting(ctx context.Context, queue, id string) (time.Duration, error) {
	if id == "" {
		return 0, nil
	}
	since, err := s.rdb.HGet(ctx, "asynq:{"+queue+"}:t:"+id, "pending_since").Result()
	if err != nil {
		if errors.Is(err, redis.Nil) {
			return 0, nil
		}
		return 0, err
	}
	nanos, err := strconv.ParseInt(since, 10, 64)
	if err != nil {
		return 0, nil //nolint:nilerr // not asynq's: nothing is known of it
	}
	return max(0, time.Since(time.Unix(0, nanos))), nil
}

// Pool is how the server's connections to Redis are used.
type Pool struct {
	Used, Idle, Most int
	Timeouts         int64 // times that nobody gave a connection back in time, so far
}

// PoolStat is the state of the pool at this moment.
func (s *Server) PoolStat() Pool {
	stat := s.rdb.PoolStats()
	pool := Pool{Used: int(stat.TotalConns) - int(stat.IdleConns), Idle: int(stat.IdleConns), Timeouts: int64(stat.Timeouts)}
	switch rdb := s.rdb.(type) {
	case *redis.Client:
		pool.Most = rdb.Options().PoolSize
	case *redis.ClusterClient:
		pool.Most = rdb.Options().PoolSize // for each node
	}
	return pool
}

// Time is Redis' clock.
func (s *Server) Time(ctx context.Context) (time.Time, error) { return s.rdb.Time(ctx).Result() }
