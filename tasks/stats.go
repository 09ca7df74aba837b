package tasks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// QueueStats contains the statistics of one queue.
type QueueStats struct {
	Name string
	// Tasks counts tasks by asynq's states: pending, active, scheduled, retry,
	// archived, completed.
	Tasks map[string]int
	// Latency is how long the next task has been waiting, or 0 if the queue is empty.
	Latency time.Duration
	Paused  bool
}

// Queues returns the statistics of each queue. It takes one round trip, plus one for
// each queue with pending tasks. It does not use asynq's inspector, which accepts no
// context and also measures memory.
func (s *Server) Queues(ctx context.Context) ([]QueueStats, error) {
	type replies struct {
		counts map[string]*redis.IntCmd
		paused *redis.IntCmd
		next   *redis.StringCmd
	}
	names := queueNames()
	got := make([]replies, len(names))
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, name := range names {
			key := "asynq:{" + name + "}:"
			got[i] = replies{counts: map[string]*redis.IntCmd{}, paused: p.Exists(ctx, key+"paused"), next: p.LIndex(ctx, key+"pending", -1)}
			for _, list := range []string{"pending", "active"} {
				got[i].counts[list] = p.LLen(ctx, key+list)
			}
			for _, set := range []string{"scheduled", "retry", "archived", "completed"} {
				got[i].counts[set] = p.ZCard(ctx, key+set)
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("queues: %w", err)
	}
	queues := make([]QueueStats, len(names))
	for i, name := range names {
		queues[i] = QueueStats{Name: name, Tasks: map[string]int{}, Paused: got[i].paused.Val() > 0}
		for state, n := range got[i].counts {
			queues[i].Tasks[state] = int(n.Val())
		}
		if queues[i].Latency, err = s.latency(ctx, name, got[i].next.Val()); err != nil {
			return nil, fmt.Errorf("queues: %w", err)
		}
	}
	return queues, nil
}

// latency returns how long a task has been pending, or 0 if the task is no longer
// pending.
func (s *Server) latency(ctx context.Context, queue, id string) (time.Duration, error) {
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
		return 0, nil //nolint:nilerr // asynq did not write this value
	}
	return max(0, time.Since(time.Unix(0, nanos))), nil
}

// Pool describes the server's connection pool to Redis.
type Pool struct {
	Used, Idle, Max int
	Timeouts        int64 // timeouts while waiting for a connection, since the start
}

// PoolStat returns the current state of the pool.
func (s *Server) PoolStat() Pool {
	stat := s.rdb.PoolStats()
	pool := Pool{Used: int(stat.TotalConns) - int(stat.IdleConns), Idle: int(stat.IdleConns), Timeouts: int64(stat.Timeouts)}
	switch rdb := s.rdb.(type) {
	case *redis.Client:
		pool.Max = rdb.Options().PoolSize
	case *redis.ClusterClient:
		pool.Max = rdb.Options().PoolSize // per node
	}
	return pool
}

// Time returns the time on Redis' clock.
func (s *Server) Time(ctx context.Context) (time.Time, error) { return s.rdb.Time(ctx).Result() }
