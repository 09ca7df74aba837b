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
	// idleSettles is how long a worker has been up before it is watched.
	idleSettles = 10 * time.Second
	idleWatched = 30 * time.Second
)

// benchIdle watches a worker that has one connection and nothing to do.
func benchIdle(ctx context.Context, s *stage, _ options, r *report) error {
	h, err := newHalo(1, halotest.Profile{})
	if err != nil {
		return err
	}
	defer h.Close()
	var before, after idleLoad
	err = s.with(ctx, h, func(d *database, _ string) error {
		w, err := d.startWorker(ctx, "HALOSYNC_RATE_LIMIT=", "HALOSYNC_HTTP_ADDR=127.0.0.1:0")
		if err != nil {
			return err
		}
		if err = wait(ctx, idleSettles); err == nil {
			before, err = d.idleLoad(ctx, w)
		}
		if err == nil {
			err = wait(ctx, idleWatched)
		}
		if err == nil {
			after, err = d.idleLoad(ctx, w)
		}
		return errors.Join(err, w.stop())
	})
	if err != nil {
		return err
	}
	plainly, err := s.idleAsynq(ctx)
	if err != nil {
		return err
	}
	after.report(r, before, plainly)
	return nil
}

// idleAsynq is what asynq alone uses: a server with as many queues and asynq's
// own intervals, and nothing else in the process.
func (s *stage) idleAsynq(ctx context.Context) (sample, error) {
	return runChild(ctx, "idle", plain{Redis: s.redis.URL()})
}

// idleRival is the other end of idleAsynq.
func idleRival(ctx context.Context, p *plain) (func() error, error) {
	opts, err := redis.ParseURL(p.Redis)
	if err != nil {
		return nil, err
	}
	server := asynq.NewServerFromRedisClient(redis.NewClient(opts), asynq.Config{
		Queues: map[string]int{"a": 6, "b": 3, "c": 1}, LogLevel: asynq.ErrorLevel,
	})
	if err := server.Start(asynq.NewServeMux()); err != nil {
		return nil, err
	}
	if err := wait(ctx, idleSettles); err != nil {
		return nil, err
	}
	return func() error { return wait(ctx, idleWatched) }, nil
}

// idleLoad is what a worker and its servers have done so far.
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
	// Backends report a second after their last transaction, and not before
	// they have been idle; the difference of two looks is right all the same.
	return l, d.admin.QueryRow(ctx, `select xact_commit + xact_rollback from pg_stat_database where datname = $1`, d.name).Scan(&l.transactions)
}

func (l idleLoad) report(r *report, before idleLoad, plainly sample) {
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
	r.line("Redis: %.1f commands a second, those that scripts call included (%s), %.2f %% of a core.",
		float64(l.redis.total()-before.redis.total())/seconds, strings.Join(list, ", "), (l.redis.cpu-before.redis.cpu).Seconds()/seconds*100)
	r.line("Postgres: %.1f transactions a second.", float64(l.transactions-before.transactions)/seconds)
	r.line("A process with nothing but an asynq server of three queues, at asynq's own intervals (a look a second), uses %.2f %% of a core,"+
		" one after the other in this run.", plainly.CPU.Seconds()/plainly.Wall.Seconds()*100)
	r.goals(atMost("CPU of a worker with nothing to do, % of a core", 1, (l.cpu-before.cpu).Seconds()/seconds*100))
}
