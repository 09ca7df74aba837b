package doctor

import (
	"context"
	"fmt"
	"time"
)

const (
	// A skew of at least minWarning is a warning. A skew of at least minFault is a
	// fault. The queue's leases last 30 s, so the queue could mistake a live worker
	// for a dead one.
	minWarning = 2 * time.Second
	minFault   = 15 * time.Second
)

// clock compares this machine's clock with the clocks of Postgres and Redis.
func (c Config) clock(ctx context.Context, r *Report) {
	for _, s := range []struct {
		name string
		now  func(context.Context) (time.Time, error)
	}{
		{"Postgres", func(ctx context.Context) (time.Time, error) {
			server, err := c.Store.Server(ctx)
			return server.Now, err
		}},
		{"Redis", c.Queue.Time},
	} {
		skew, err := skewOf(ctx, s.now)
		if err != nil {
			r.add("clock", Skipped, s.name+" does not answer", "")
			continue
		}
		r.Add(judgeClock(s.name, skew))
	}
}

// skewOf returns how far a server's clock is ahead of this machine's clock. The
// time that the reply took does not count as skew.
func skewOf(ctx context.Context, now func(context.Context) (time.Time, error)) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	before := time.Now()
	theirs, err := now(ctx)
	after := time.Now()
	switch {
	case err != nil:
		return 0, err
	case theirs.After(after):
		return theirs.Sub(after), nil
	case theirs.Before(before):
		return theirs.Sub(before), nil
	}
	return 0, nil
}

func judgeClock(server string, skew time.Duration) Finding {
	f := Finding{Area: "clock", Status: OK, What: fmt.Sprintf("%s' clock and this machine's agree", server)}
	if skew.Abs() < minWarning {
		return f
	}
	f.Status, f.Do = Warning, "synchronize the clocks of both machines with NTP (timedatectl, chronyc tracking)"
	f.What = fmt.Sprintf("%s' clock is %v ahead of this machine's", server, skew.Round(time.Second))
	if skew < 0 {
		f.What = fmt.Sprintf("%s' clock is %v behind this machine's", server, (-skew).Round(time.Second))
	}
	if skew.Abs() >= minFault {
		f.Status = Fault
	}
	return f
}
