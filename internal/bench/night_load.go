package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
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
	var data string
	if err := s.admin.QueryRow(ctx, `select current_setting('data_directory'), (pg_current_wal_lsn() - '0/0')::float8`).Scan(&data, &l.wal); err != nil {
		return l, err
	}
	if l.postgres, err = postgresCPU(data); err != nil {
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

// postgresCPU is what a server has used: its first process, that one's children
// that have ended, and those that live.
func postgresCPU(data string) (time.Duration, error) {
	pidFile, err := os.ReadFile(filepath.Join(data, "postmaster.pid")) //nolint:gosec // our own server's
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(pidFile), "\n")
	parent, err := strconv.Atoi(first)
	if err != nil {
		return 0, fmt.Errorf("postmaster.pid: %w", err)
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, path := range stats {
		stat, err := os.ReadFile(path) //nolint:gosec // of /proc
		if err != nil {
			continue // it has ended
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		own := path == fmt.Sprintf("/proc/%d/stat", parent)
		if !own && string(fields[1]) != first {
			continue
		}
		used := fields[11:13] // utime, stime
		if own {
			used = fields[11:15] // and those of its ended children
		}
		for _, field := range used {
			n, err := strconv.ParseInt(string(field), 10, 64)
			if err != nil {
				return 0, err
			}
			sum += n
		}
	}
	return time.Duration(sum) * time.Second / ticks, nil
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
