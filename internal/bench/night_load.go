package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
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
	info, err := s.rdb.InfoMap(ctx, "server", "stats", "commandstats").Result()
	if err != nil {
		return l, err
	}
	pid, err := strconv.Atoi(info["Server"]["process_id"])
	if err != nil {
		return l, fmt.Errorf("redis: process_id: %w", err)
	}
	if l.redis, err = cpuOf(pid); err != nil {
		return l, err
	}
	if l.commands, err = strconv.ParseFloat(info["Stats"]["total_commands_processed"], 64); err != nil {
		return l, fmt.Errorf("redis: total_commands_processed: %w", err)
	}
	calls, _, _ := strings.Cut(strings.TrimPrefix(info["Commandstats"]["cmdstat_evalsha"], "calls="), ",")
	l.scripts, err = strconv.ParseFloat(cmp.Or(calls, "0"), 64) // not there before the first
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
