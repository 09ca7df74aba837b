package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// redisLoad is what Redis has done so far.
type redisLoad struct {
	cpu      time.Duration
	commands map[string]int64 // by name; those that scripts call are among them
}

// redisLoad asks Redis, without counting the asking.
func (s *stage) redisLoad(ctx context.Context) (l redisLoad, err error) {
	info, err := s.rdb.InfoMap(ctx, "commandstats", "cpu").Result()
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
