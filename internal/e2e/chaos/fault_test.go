package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/halosync/halosync/halo/halotest"
)

// These are the kinds of faults.
const (
	workerKill   = "worker killed (SIGKILL)"
	workerTerm   = "worker replaced (SIGTERM)"
	workerFreeze = "worker frozen (SIGSTOP)"
	clockLeap    = "clock leaps"
	redisFlush   = "redis flushed"
	redisRestart = "redis restarted empty"
	pgFast       = "postgres restarted, fast"
	pgImmediate  = "postgres restarted, immediate"
	haloThrottle = "halo: 429"
	haloError    = "halo: 5xx"
	haloHang     = "halo: hangs"
	haloReset    = "halo: resets"
	// A fault's name is one of these prefixes followed by the name of a link.
	linkCut    = "cut: "
	linkSilent = "silent: "
	linkSlow   = "slow: "
)

// faultKinds returns all kinds of faults.
func faultKinds() []string {
	kinds := []string{
		workerKill, workerTerm, workerFreeze, clockLeap, redisFlush, redisRestart, pgFast, pgImmediate,
		haloThrottle, haloError, haloHang, haloReset,
	}
	for _, name := range []string{"postgres", "redis", "halo"} {
		kinds = append(kinds, linkCut+name, linkSilent+name, linkSlow+name)
	}
	return kinds
}

// plannedFault is a fault with its parameters. Their meaning depends on the
// kind.
type plannedFault struct {
	at     time.Duration
	kind   string
	lasts  time.Duration
	worker int
	n      int
}

// drawFaults draws n faults: one of each kind listed in the argument first, followed by
// random ones.
func drawFaults(r *rand.Rand, n int, first []string, within time.Duration) []plannedFault {
	kinds := faultKinds()
	var faults []plannedFault
	lapses, long := 0, false
	for len(faults) < n {
		kind := kinds[r.IntN(len(kinds))]
		if i := len(faults); i < len(first) {
			kind = first[i]
		}
		f := plannedFault{
			at: time.Second + time.Duration(r.Int64N(int64(within))), kind: kind,
			lasts: 200*time.Millisecond + time.Duration(r.Int64N(int64(4*time.Second))), worker: r.IntN(2), n: r.IntN(1000),
		}
		if kind == workerKill || kind == workerFreeze {
			if lapses++; lapses > 5 {
				continue
			}
		}
		if kind == workerFreeze && !long { // longer than the lease and the time until asynq recovers the task
			f.lasts, long = 65*time.Second+time.Duration(f.n)*10*time.Millisecond, true
		}
		faults = append(faults, f)
	}
	slices.SortStableFunc(faults, func(a, b plannedFault) int { return int(a.at - b.at) })
	return faults
}

// breakAll causes each fault in the plan at its planned time. Faults of the
// same server, link or worker run one after another. All other faults may
// overlap.
func (e *episode) breakAll(ctx context.Context) {
	var going sync.WaitGroup
	for _, f := range e.plan.faults {
		if !sleepUntil(ctx, e.began.Add(f.at)) {
			break
		}
		going.Go(func() {
			err := e.inflict(ctx, f)
			e.mu.Lock()
			e.faults[f.kind]++
			e.lastFault = time.Now()
			e.mu.Unlock()
			if err != nil {
				e.Errorf("%s: %v", f.kind, err)
			}
		})
	}
	going.Wait()
}

func (e *episode) inflict(ctx context.Context, f plannedFault) error {
	e.note("%s: begins (worker %d, %v, %d)", f.kind, f.worker, f.lasts.Round(time.Millisecond), f.n)
	defer e.note("%s: is over", f.kind)
	s := e.supervisors[f.worker]
	switch f.kind {
	case workerKill:
		s.mu.Lock()
		defer s.mu.Unlock()
		e.lapse()
		s.pauseNext(f.lasts)
		s.signal(syscall.SIGKILL)
		return nil
	case workerTerm:
		s.mu.Lock()
		defer s.mu.Unlock()
		clean, err := s.replace()
		if !clean {
			e.note("%s: the exit code is not 0", f.kind)
			e.mu.Lock()
			e.faults["(worker that stopped with an error)"]++
			e.mu.Unlock()
		}
		return err
	case workerFreeze:
		s.mu.Lock()
		defer s.mu.Unlock()
		e.lapse()
		s.signal(syscall.SIGSTOP)
		hold(ctx, f.lasts)
		s.signal(syscall.SIGCONT)
		return nil
	case clockLeap:
		return e.leap(ctx, []time.Duration{time.Hour, 90 * time.Second, -15 * time.Second}[f.n%3])
	case redisFlush:
		e.redisMu.Lock()
		defer e.redisMu.Unlock()
		return e.wipe(func() error { return e.rdb.FlushAll(ctx).Err() })
	case redisRestart:
		e.redisMu.Lock()
		defer e.redisMu.Unlock()
		return e.wipe(func() error {
			if err := e.redis.Halt(); err != nil {
				return err
			}
			hold(ctx, f.lasts)
			return e.redis.Resume(ctx)
		})
	case pgFast, pgImmediate:
		e.pgMu.Lock()
		defer e.pgMu.Unlock()
		halt := e.pg.HaltFast
		if f.kind == pgImmediate {
			halt = e.pg.HaltImmediate
		}
		if err := halt(); err != nil {
			return err
		}
		hold(ctx, f.lasts)
		return e.pg.Resume(ctx)
	case haloThrottle, haloError, haloHang, haloReset:
		e.halo.Fault(halotest.Rule{Times: 2 + f.n%12}, haloFault(f)...)
		return nil
	}
	return e.damageLink(ctx, f)
}

func haloFault(f plannedFault) []halotest.Fault {
	switch f.kind {
	case haloThrottle:
		return []halotest.Fault{halotest.Throttle(time.Duration(1+f.n%3) * time.Second)}
	case haloError:
		return []halotest.Fault{halotest.Status(500, ""), halotest.Status(502, "<html>Bad gateway"), halotest.Status(503, "")}
	case haloHang:
		return []halotest.Fault{halotest.Hang(f.lasts)}
	default:
		return []halotest.Fault{halotest.Reset()}
	}
}

func (e *episode) damageLink(ctx context.Context, f plannedFault) error {
	for _, way := range e.links() {
		way.mu.Lock()
		var err error
		switch f.kind {
		case linkCut + way.name:
			way.cut()
		case linkSilent + way.name: // the link drops data, and the end of the fault breaks the connections
			err = way.toxic("timeout", `"timeout": 0`)
		case linkSlow + way.name:
			err = way.toxic("latency", fmt.Sprintf(`"latency": %d, "jitter": 100`, 150+f.n%500))
		default:
			way.mu.Unlock()
			continue
		}
		hold(ctx, f.lasts)
		err = errors.Join(err, way.mend())
		way.mu.Unlock()
		return err
	}
	return fmt.Errorf("no fault of this kind")
}

// replace restarts the worker, as a deployment does. It reports whether the
// worker ended with exit code 0.
func (s *supervisor) replace() (clean bool, err error) {
	p := s.current()
	s.pauseNext(0)
	s.signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode() == 0, nil
	case <-time.After(25 * time.Second): // the documented maximum is 20 s on an idle machine
		s.signal(syscall.SIGQUIT)
		return false, errors.New("no end within 25 s")
	}
}

// lapse records that executions may lose their leases.
func (e *episode) lapse() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lapses++
}

// wipe makes Redis lose its data and records when this happened.
func (e *episode) wipe(forget func() error) error {
	w := span{from: time.Now()}
	err := forget()
	w.to = time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wipes = append(e.wipes, w)
	return err
}

// leap moves every stored time back by d, without setting the machine's clock.
// For workers, Redis and Postgres, this has the same effect as a clock that
// jumps forward by d. (Freezing a worker beyond its lease covers that worker's
// own timers.)
func (e *episode) leap(ctx context.Context, d time.Duration) error {
	script := `for _, q in ipairs({'interactive', 'import', 'resync'}) do
		for _, set in ipairs({'lease', 'retry', 'scheduled'}) do
			local key = 'asynq:{' .. q .. '}:' .. set
			for _, id in ipairs(redis.call('ZRANGE', key, 0, -1)) do redis.call('ZINCRBY', key, -ARGV[1], id) end
		end
	end`
	// If one of the two servers is down, only the other one leaps.
	rerr := e.rdb.Eval(ctx, script, nil, int(d.Seconds())).Err()
	_, perr := e.pool.Exec(ctx, `
		update halosync.runs set beat_at = beat_at - $1::interval, dispatched_at = dispatched_at - $1::interval, not_before = not_before - $1::interval
		where state in ('queued', 'running')`, d)
	e.note("%s by %v: redis %v, postgres %v", clockLeap, d, rerr, perr)
	return nil
}

// heal ends the remaining faults.
func (e *episode) heal(ctx context.Context) {
	e.halo.ClearFaults()
	for _, way := range e.links() {
		if err := way.mend(); err != nil {
			e.Errorf("mend %s: %v", way.name, err)
		}
	}
	err := e.await(ctx, "servers answer", time.Minute, func() (bool, error) {
		return true, errors.Join(e.pool.Ping(ctx), e.rdb.Ping(ctx).Err())
	})
	if err != nil {
		e.Error(err)
	}
	e.mu.Lock()
	e.lastFault = time.Now()
	e.mu.Unlock()
	e.note("all faults are over")
}

// hold waits for the duration d while a fault lasts.
func hold(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
