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

// Retention is how long history is kept; zero means forever.
type Retention struct {
	Runs    time.Duration // time since the run ended; an undo needs the record of its run
	Events  time.Duration // at least as long as Runs; security events: at least 90 days
	Clients time.Duration // time since an import last found an unmapped client in Halo
}

const (
	// fleetJobsEvery is how often a worker checks whether a fleet job is due.
	fleetJobsEvery = time.Minute
	// fleetJobLease is how long a worker owns a fleet job without renewing its lease.
	// It is longer than any part of the job takes.
	fleetJobLease = 3 * time.Minute
	// batchPause is the pause between two transactions, which limits the load on
	// Postgres.
	batchPause = 20 * time.Millisecond

	tenantBatch = 200
	runBatch    = 200
	eventBatch  = 2000
	clientBatch = 5000
)

// Removed counts the rows that a pass has removed.
type Removed struct {
	Runs    int `json:"runs"`
	Events  int `json:"events"`
	Clients int `json:"clients"`
	Visits  int `json:"visits"` // expired sessions, sign-in tokens and stored responses

	SecurityEvents int `json:"security_events"`
}

// nextNight returns the next time at which old history is removed: 02:20 UTC, which is
// before the default time of the resyncs.
func nextNight(now time.Time) time.Time {
	now = now.UTC()
	next := time.Date(now.Year(), now.Month(), now.Day(), 2, 20, 0, 0, time.UTC)
	if !next.After(now) {
		next = next.AddDate(0, 0, 1)
	}
	return next
}

// retentionPass removes old history of all tenants once.
type retentionPass struct {
	store  *repo.Store
	keep   Retention
	holder uuid.UUID
	report func(Removed) // called after each transaction
	total  Removed
}

// retainIfDue removes old history if the job is due and no other worker is doing it.
// After an interruption, the job starts from the beginning and quickly skips what is
// already done.
func (s *Scheduler) retainIfDue(ctx context.Context) error {
	jobs, err := s.cfg.Store.Upkeep(ctx)
	if err != nil {
		return err
	}
	job := jobs[repo.JobRetention]
	switch {
	case job.NextAt == nil: // wait for the night, so that retention can be configured after an upgrade
		return s.cfg.Store.PlanUpkeep(ctx, repo.JobRetention, nextNight(job.Now))
	case job.Running, job.NextAt.After(job.Now):
		return nil
	}
	pass := &retentionPass{store: s.cfg.Store, keep: s.cfg.Keep, holder: uuid.New(), report: s.cfg.Removed}
	taken, err := s.cfg.Store.TakeUpkeep(ctx, repo.JobRetention, pass.holder, fleetJobLease)
	if err != nil || !taken {
		return err
	}
	began := time.Now()
	if err := pass.run(ctx); err != nil {
		if errors.Is(err, repo.ErrFenced) {
			return nil // another worker has taken over
		}
		return fmt.Errorf("remove old history: %w", err)
	}
	s.cfg.Log.Info("old history removed", zap.Int("runs", pass.total.Runs), zap.Int("events", pass.total.Events),
		zap.Int("clients", pass.total.Clients), zap.Int("visits", pass.total.Visits), zap.Int("security_events", pass.total.SecurityEvents),
		zap.Duration("duration", time.Since(began)))
	return s.cfg.Store.EndUpkeep(ctx, repo.JobRetention, pass.holder, nextNight(job.Now), pass.total)
}

// run removes the old history of all tenants.
func (s *retentionPass) run(ctx context.Context) error {
	for after := ""; ; {
		tenants, err := s.store.TenantsAfter(ctx, after, tenantBatch)
		if err != nil {
			return err
		}
		if len(tenants) == 0 {
			return s.securityEvents(ctx)
		}
		for _, tenant := range tenants {
			if err := s.tenant(ctx, tenant); err != nil {
				return err
			}
		}
		after = tenants[len(tenants)-1]
		if err := s.store.HoldUpkeep(ctx, repo.JobRetention, s.holder, fleetJobLease); err != nil {
			return err
		}
	}
}

// securityEvents removes old security events of all tenants and of the installation.
func (s *retentionPass) securityEvents(ctx context.Context) error {
	return s.inBatches(ctx, s.keep.Events, func() (bool, error) {
		n, more, err := s.store.ForgetSecurityEvents(ctx, s.keep.Events, eventBatch)
		return more, s.add(Removed{SecurityEvents: n}, err)
	})
}

// tenant removes the old history of one tenant. It removes runs before events, because
// events of existing runs are kept. It always removes expired sessions.
func (s *retentionPass) tenant(ctx context.Context, tenant string) error {
	n, err := s.store.DeleteExpiredSessions(ctx, tenant)
	if err = s.add(Removed{Visits: n}, err); err != nil {
		return err
	}
	err = s.inBatches(ctx, s.keep.Runs, func() (bool, error) {
		n, more, err := s.store.ForgetRuns(ctx, tenant, s.keep.Runs, runBatch)
		return more, s.add(Removed{Runs: n}, err)
	})
	if err != nil {
		return err
	}
	err = s.inBatches(ctx, s.keep.Events, func() (bool, error) {
		n, more, err := s.store.ForgetEvents(ctx, tenant, s.keep.Events, eventBatch)
		return more, s.add(Removed{Events: n}, err)
	})
	if err != nil {
		return err
	}
	var next repo.CatalogueCursor
	return s.inBatches(ctx, s.keep.Clients, func() (bool, error) {
		var n int
		var err error
		n, next, err = s.store.ForgetClients(ctx, tenant, s.keep.Clients, next, clientBatch)
		return next != (repo.CatalogueCursor{}), s.add(Removed{Clients: n}, err)
	})
}

// inBatches calls batch until nothing is left to remove. Between batches it renews the
// lease and pauses. If keep is zero, it does nothing.
func (s *retentionPass) inBatches(ctx context.Context, keep time.Duration, batch func() (more bool, err error)) error {
	if keep <= 0 {
		return nil
	}
	for {
		more, err := batch()
		if err != nil || !more {
			return err
		}
		if err := s.store.HoldUpkeep(ctx, repo.JobRetention, s.holder, fleetJobLease); err != nil {
			return err
		}
		if err := sleep.For(ctx, batchPause); err != nil {
			return err
		}
	}
}

func (s *retentionPass) add(f Removed, err error) error {
	if err != nil {
		return err
	}
	s.total.Runs += f.Runs
	s.total.Events += f.Events
	s.total.Clients += f.Clients
	s.total.Visits += f.Visits
	s.total.SecurityEvents += f.SecurityEvents
	if s.report != nil && f != (Removed{}) {
		s.report(f)
	}
	return nil
}
