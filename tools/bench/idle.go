package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/halosync/halosync/halo/halotest"
)

const (
	idleSettling  = 10 * time.Second // time for a worker to settle before the measurement
	idleMeasuring = 30 * time.Second
)

// benchIdle measures an idle worker with one connection.
func benchIdle(ctx context.Context, b *bench, _ options, r *report) error {
	h, err := newHalo(1, halotest.Profile{})
	if err != nil {
		return err
	}
	defer h.Close()
	var before, after idleLoad
	err = b.withDatabase(ctx, h, func(d *database, _ string) error {
		w, err := d.startWorker(ctx, "HALOSYNC_RATE_LIMIT=", "HALOSYNC_HTTP_ADDR=127.0.0.1:0")
		if err != nil {
			return err
		}
		if err = wait(ctx, idleSettling); err == nil {
			before, err = d.idleLoad(ctx, w)
		}
		if err == nil {
			err = wait(ctx, idleMeasuring)
		}
		if err == nil {
			after, err = d.idleLoad(ctx, w)
		}
		return errors.Join(err, w.stop())
	})
	if err != nil {
		return err
	}
	rival, err := runChild(ctx, "idle", job{Redis: b.redis.URL()})
	if err != nil {
		return err
	}
	after.report(r, before, rival)
	return nil
}

// idleRival is an asynq server with the same number of queues and asynq's
// default intervals. Nothing else runs in the process.
func idleRival(ctx context.Context, j *job) (func() error, error) {
	opts, err := redis.ParseURL(j.Redis)
	if err != nil {
		return nil, err
	}
	server := asynq.NewServerFromRedisClient(redis.NewClient(opts), asynq.Config{
		Queues: map[string]int{"a": 6, "b": 3, "c": 1}, LogLevel: asynq.ErrorLevel,
	})
	if err := server.Start(asynq.NewServeMux()); err != nil {
		return nil, err
	}
	if err := wait(ctx, idleSettling); err != nil {
		return nil, err
	}
	return func() error { return wait(ctx, idleMeasuring) }, nil
}

// idleLoad holds the cumulative load of a worker and its servers.
type idleLoad struct {
	at           time.Time
	cpu          time.Duration
	redis        redisLoad
	transactions int64
}

func (d *database) idleLoad(ctx context.Context, w *worker) (l idleLoad, err error) {
	l.at = time.Now()
	if l.cpu, err = cpuOf(w.cmd.Process.Pid); err != nil {
		return l, err
	}
	if l.redis, err = d.redisLoad(ctx); err != nil {
		return l, err
	}
	// A session reports its counts a second after its last transaction, and
	// only when idle. Both readings have the same delay, so their difference is
	// correct.
	return l, d.admin.QueryRow(ctx, `select xact_commit + xact_rollback from pg_stat_database where datname = $1`, d.name).Scan(&l.transactions)
}

func (l idleLoad) report(r *report, before idleLoad, rival sample) {
	seconds := l.at.Sub(before.at).Seconds()
	calls := map[string]float64{}
	for name, n := range l.redis.commands {
		if n -= before.redis.commands[name]; n > 0 {
			calls[name] = float64(n) / seconds
		}
	}
	var list []string
	for _, name := range slices.SortedFunc(maps.Keys(calls), func(a, b string) int { return cmp.Compare(calls[b], calls[a]) }) {
		list = append(list, fmt.Sprintf("%s %.1f", name, calls[name]))
	}
	r.line("\n### A worker with nothing to do, %.0f seconds\n", seconds)
	r.line("Redis: %.1f commands a second, including those in scripts (%s), %.2f %% of a core.",
		float64(l.redis.total()-before.redis.total())/seconds, strings.Join(list, ", "), (l.redis.cpu-before.redis.cpu).Seconds()/seconds*100)
	r.line("Postgres: %.1f transactions a second.", float64(l.transactions-before.transactions)/seconds)
	r.line("Measured afterwards in the same run: a process with only an asynq server for three queues, which polls once a second, uses %.2f %% of a core.",
		rival.CPU.Seconds()/rival.Wall.Seconds()*100)
	r.goals(maxGoal("CPU of a worker with nothing to do, % of a core", 1, (l.cpu-before.cpu).Seconds()/seconds*100))
}
