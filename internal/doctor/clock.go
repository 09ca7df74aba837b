package doctor

import (
	"context"
	"fmt"
	"time"
)

const (
	// skewWarns is a clock that deserves a look; skewHurts is one by which the
	// queue takes a living worker for dead: its leases are of 30 s.
	skewWarns = 2 * time.Second
	skewHurts = 15 * time.Second
)

// clock compares this machine's clock with those of Postgres and Redis.
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
		skew, err := apart(ctx, s.now)
		if err != nil {
			r.add("clock", Skipped, s.name+" does not answer", "")
			continue
		}
		r.Add(judgeClock(s.name, skew))
	}
}

// apart says by how much a server's clock is ahead of ours. What the answer took
// is in its favour.
func apart(ctx context.Context, now func(context.Context) (time.Time, error)) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
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
	if skew.Abs() < skewWarns {
		return f
	}
	f.Status, f.Do = Warning, "let NTP set the clocks of both machines (timedatectl, chronyc tracking)"
	f.What = fmt.Sprintf("%s' clock is %v ahead of this machine's", server, skew.Round(time.Second))
	if skew < 0 {
		f.What = fmt.Sprintf("%s' clock is %v behind this machine's", server, (-skew).Round(time.Second))
	}
	if skew.Abs() >= skewHurts {
		f.Status = Fault
	}
	return f
}
