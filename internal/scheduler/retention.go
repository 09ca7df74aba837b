package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/sleep"
	"github.com/halosync/halosync/repo"
)

// Retention is how long history is kept; zero: for ever.
type Retention struct {
	Runs    time.Duration // since they ended; an undo needs its run
	Events  time.Duration // not shorter than Runs
	Clients time.Duration // catalogue rows of unmapped clients that no import has seen
}

const (
	// upkeepEvery is how often a worker asks whether a job of the fleet is due.
	upkeepEvery = time.Minute
	// upkeepLife is how long a worker that has a job and is silent is believed
	// to be at it: longer than any part of it takes.
	upkeepLife = 3 * time.Minute
	// restBetween lets others at the disk, and bounds what the job takes of the
	// server.
	restBetween = 20 * time.Millisecond

	tenantsAtOnce = 200
	runsAtOnce    = 200
	eventsAtOnce  = 2000
	clientsAtOnce = 5000
)

// Removed is what a pass has removed.
type Removed struct {
	Runs    int `json:"runs"`
	Events  int `json:"events"`
	Clients int `json:"clients"`
	Visits  int `json:"visits"` // what they have left: sessions, sign-in tokens, answers kept for requests
}

// nextNight is when old history is removed next: at 02:20 UTC, before the
// default time of the resyncs.
func nextNight(now time.Time) time.Time {
	now = now.UTC()
	next := time.Date(now.Year(), now.Month(), now.Day(), 2, 20, 0, 0, time.UTC)
	if !next.After(now) {
		next = next.AddDate(0, 0, 1)
	}
	return next
}

// sweeper removes old history of all tenants, for one pass.
type sweeper struct {
	store  *repo.Store
	keep   Retention
	holder uuid.UUID
	report func(Removed) // what a part of the pass has removed
	total  Removed
}

// sweepIfDue removes old history if the night has come and no other worker is
// at it. A pass that was broken off begins anew, with little to do for what it
// had done.
func (s *Scheduler) sweepIfDue(ctx context.Context) error {
	jobs, err := s.cfg.Store.Upkeep(ctx)
	if err != nil {
		return err
	}
	job := jobs[repo.JobRetention]
	switch {
	case job.NextAt == nil: // on the day of an upgrade there is time to set what is to be kept
		return s.cfg.Store.PlanUpkeep(ctx, repo.JobRetention, nextNight(job.Now))
	case job.Running, job.NextAt.After(job.Now):
		return nil
	}
	sw := &sweeper{store: s.cfg.Store, keep: s.cfg.Keep, holder: uuid.New(), report: s.cfg.Removed}
	taken, err := s.cfg.Store.TakeUpkeep(ctx, repo.JobRetention, sw.holder, upkeepLife)
	if err != nil || !taken {
		return err
	}
	began := time.Now()
	if err := sw.pass(ctx); err != nil {
		if errors.Is(err, repo.ErrFenced) {
			return nil // another worker goes on with it
		}
		return fmt.Errorf("removal of old history: %w", err)
	}
	s.cfg.Log.Info("old history removed", zap.Int("runs", sw.total.Runs), zap.Int("events", sw.total.Events),
		zap.Int("clients", sw.total.Clients), zap.Int("visits", sw.total.Visits), zap.Duration("duration", time.Since(began)))
	return s.cfg.Store.EndUpkeep(ctx, repo.JobRetention, sw.holder, nextNight(job.Now), sw.total)
}

// pass goes through all tenants.
func (s *sweeper) pass(ctx context.Context) error {
	for after := ""; ; {
		tenants, err := s.store.TenantsAfter(ctx, after, tenantsAtOnce)
		if err != nil || len(tenants) == 0 {
			return err
		}
		for _, tenant := range tenants {
			if err := s.tenant(ctx, tenant); err != nil {
				return err
			}
		}
		after = tenants[len(tenants)-1]
		if err := s.store.HoldUpkeep(ctx, repo.JobRetention, s.holder, upkeepLife); err != nil {
			return err
		}
	}
}

// tenant removes what is old of one tenant: runs first, since events that they
// need stay. What nobody can use any more goes whatever is to be kept.
func (s *sweeper) tenant(ctx context.Context, tenant string) error {
	n, err := s.store.DeleteExpiredSessions(ctx, tenant)
	if err = s.add(Removed{Visits: n}, err); err != nil {
		return err
	}
	err = s.parts(ctx, s.keep.Runs, func() (bool, error) {
		n, more, err := s.store.ForgetRuns(ctx, tenant, s.keep.Runs, runsAtOnce)
		return more, s.add(Removed{Runs: n}, err)
	})
	if err != nil {
		return err
	}
	err = s.parts(ctx, s.keep.Events, func() (bool, error) {
		n, more, err := s.store.ForgetEvents(ctx, tenant, s.keep.Events, eventsAtOnce)
		return more, s.add(Removed{Events: n}, err)
	})
	if err != nil {
		return err
	}
	var next repo.CatalogueCursor
	return s.parts(ctx, s.keep.Clients, func() (bool, error) {
		var n int
		var err error
		n, next, err = s.store.ForgetClients(ctx, tenant, s.keep.Clients, next, clientsAtOnce)
		return next != (repo.CatalogueCursor{}), s.add(Removed{Clients: n}, err)
	})
}

// parts does one part after the other, with a sign of life and a rest between
// them, unless everything is to be kept.
func (s *sweeper) parts(ctx context.Context, keep time.Duration, part func() (more bool, err error)) error {
	if keep <= 0 {
		return nil
	}
	for {
		more, err := part()
		if err != nil || !more {
			return err
		}
		if err := s.store.HoldUpkeep(ctx, repo.JobRetention, s.holder, upkeepLife); err != nil {
			return err
		}
		if err := sleep.For(ctx, restBetween); err != nil {
			return err
		}
	}
}

func (s *sweeper) add(f Removed, err error) error {
	if err != nil {
		return err
	}
	s.total.Runs += f.Runs
	s.total.Events += f.Events
	s.total.Clients += f.Clients
	s.total.Visits += f.Visits
	if s.report != nil && f != (Removed{}) {
		s.report(f)
	}
	return nil
}
