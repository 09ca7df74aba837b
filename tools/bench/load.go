package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// redisLoad holds Redis' cumulative counts.
type redisLoad struct {
	cpu      time.Duration
	commands map[string]int64 // by name, including commands in scripts
}

// redisLoad reads the counts, without its own command.
func (b *bench) redisLoad(ctx context.Context) (l redisLoad, err error) {
	info, err := b.rdb.InfoMap(ctx, "commandstats", "cpu").Result()
	if err != nil {
		return l, err
	}
	for _, name := range []string{"used_cpu_sys", "used_cpu_user"} {
		seconds, err := strconv.ParseFloat(info["CPU"][name], 64)
		if err != nil {
			return l, fmt.Errorf("redis: %s: %w", name, err)
		}
		l.cpu += time.Duration(seconds * float64(time.Second))
	}
	l.commands = map[string]int64{}
	for name, value := range info["Commandstats"] {
		calls, _, _ := strings.Cut(strings.TrimPrefix(value, "calls="), ",")
		n, err := strconv.ParseInt(calls, 10, 64)
		if err != nil {
			return l, fmt.Errorf("redis: %s: %w", name, err)
		}
		if name = strings.TrimPrefix(name, "cmdstat_"); name != "info" {
			l.commands[name] = n
		}
	}
	return l, nil
}

func (l redisLoad) total() (n int64) {
	for _, calls := range l.commands {
		n += calls
	}
	return n
}

// load holds the cumulative counts of both servers, for all databases.
type load struct {
	postgres, redis time.Duration // CPU time
	commands        float64       // commands in Redis
	scripts         float64       // scripts among those commands
	wal             float64       // bytes
}

func (l load) minus(before load) load {
	return load{
		l.postgres - before.postgres, l.redis - before.redis, l.commands - before.commands,
		l.scripts - before.scripts, l.wal - before.wal,
	}
}

func (b *bench) load(ctx context.Context) (l load, err error) {
	if err := b.admin.QueryRow(ctx, `select (pg_current_wal_insert_lsn() - '0/0')::float8`).Scan(&l.wal); err != nil {
		return l, err
	}
	postgres, err := b.postgresPID()
	if err != nil {
		return l, err
	}
	if l.postgres, err = treeCPU(postgres); err != nil {
		return l, err
	}
	redis, err := b.redisLoad(ctx)
	l.redis, l.commands, l.scripts = redis.cpu, float64(redis.total()), float64(redis.commands["evalsha"])
	return l, err
}

// resultBytes returns the memory that one finished resync occupies in Redis until asynq
// deletes its task.
func (b *bench) resultBytes(ctx context.Context) (float64, error) {
	const ended = "asynq:{resync}:completed"
	ids, err := b.rdb.ZRange(ctx, ended, 0, 0).Result()
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	task, err := b.rdb.MemoryUsage(ctx, "asynq:{resync}:t:"+ids[0]).Result()
	if err != nil {
		return 0, err
	}
	all, err := b.rdb.MemoryUsage(ctx, ended).Result()
	if err != nil {
		return 0, err
	}
	count, err := b.rdb.ZCard(ctx, ended).Result()
	return float64(task) + float64(all)/float64(max(count, 1)), err
}
