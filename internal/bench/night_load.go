package main

import (
	"context"
	"time"
)

// load is what the servers have done so far.
type load struct {
	postgres, redis time.Duration // CPU time
	commands        float64       // Redis'
	scripts         float64       // of those
	wal             float64       // bytes
}

func (l load) minus(before load) load {
	return load{
		l.postgres - before.postgres, l.redis - before.redis, l.commands - before.commands,
		l.scripts - before.scripts, l.wal - before.wal,
	}
}

// load reads it, of all databases together.
func (s *stage) load(ctx context.Context) (l load, err error) {
	if err := s.admin.QueryRow(ctx, `select (pg_current_wal_insert_lsn() - '0/0')::float8`).Scan(&l.wal); err != nil {
		return l, err
	}
	postgres, err := s.postgresPID()
	if err != nil {
		return l, err
	}
	if l.postgres, err = treeCPU(postgres); err != nil {
		return l, err
	}
	redis, err := s.redisLoad(ctx)
	l.redis, l.commands, l.scripts = redis.cpu, float64(redis.total()), float64(redis.commands["evalsha"])
	return l, err
}

// kept is how many bytes Redis keeps of one resync that has ended, until asynq
// forgets it.
func (s *stage) kept(ctx context.Context) (float64, error) {
	const ended = "asynq:{resync}:completed"
	ids, err := s.rdb.ZRange(ctx, ended, 0, 0).Result()
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	task, err := s.rdb.MemoryUsage(ctx, "asynq:{resync}:t:"+ids[0]).Result()
	if err != nil {
		return 0, err
	}
	all, err := s.rdb.MemoryUsage(ctx, ended).Result()
	if err != nil {
		return 0, err
	}
	count, err := s.rdb.ZCard(ctx, ended).Result()
	return float64(task) + float64(all)/float64(max(count, 1)), err
}
