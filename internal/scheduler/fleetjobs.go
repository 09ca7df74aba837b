package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/sleep"
	"github.com/halosync/halosync/repo"
)

const (
	// minCountInterval is the minimum interval between two counts of the fleet.
	minCountInterval = time.Minute
	// countShare limits the load of counting. The interval between counts is at least
	// countShare times the duration of a count.
	countShare = 50
)

// fleetJobs does the jobs that only one worker of the fleet does at a time, until ctx
// ends. It removes old history at night and counts the fleet's metrics.
func (s *Scheduler) fleetJobs(ctx context.Context) {
	for {
		err := errors.Join(s.retainIfDue(ctx), s.countIfDue(ctx))
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("fleet job failed", zap.Error(err))
		}
		if sleep.For(ctx, fleetJobsEvery) != nil {
			return
		}
	}
}

// countIfDue counts the metrics that are too expensive for every worker to count.
func (s *Scheduler) countIfDue(ctx context.Context) error {
	holder := uuid.New()
	if err := s.cfg.Store.PlanUpkeep(ctx, repo.JobNumbers, time.Now().Add(-time.Hour)); err != nil {
		return err
	}
	taken, err := s.cfg.Store.TakeUpkeep(ctx, repo.JobNumbers, holder, 2*fleetJobLease)
	if err != nil || !taken {
		return err
	}
	began := time.Now()
	fleet, err := s.cfg.Store.CountFleet(ctx)
	if err != nil {
		return err
	}
	jobs, err := s.cfg.Store.Upkeep(ctx)
	if err != nil {
		return err
	}
	next := jobs[repo.JobNumbers].Now.Add(nextCount(time.Since(began)))
	err = s.cfg.Store.EndUpkeep(ctx, repo.JobNumbers, holder, next, fleet)
	if errors.Is(err, repo.ErrFenced) {
		return nil
	}
	return err
}

// nextCount returns the time from a count until the next one. The minimum is slightly
// shorter than fleetJobsEvery, so that every round can count.
func nextCount(took time.Duration) time.Duration {
	return max(minCountInterval-5*time.Second, countShare*took)
}

// Fleet is the state of the whole installation, as counted by one worker.
type Fleet struct {
	repo.Fleet
	CountedAt time.Time // zero if never counted
	// SweptAt is when old history was last removed; zero means never.
	SweptAt time.Time
	// SweepLate is how long the removal of old history has been overdue, or 0.
	SweepLate time.Duration
}

// Fleet returns the last count of the fleet. It reads three rows.
func (s *Scheduler) Fleet(ctx context.Context) (f Fleet, err error) {
	jobs, err := s.cfg.Store.Upkeep(ctx)
	if err != nil {
		return f, err
	}
	numbers, sweep := jobs[repo.JobNumbers], jobs[repo.JobRetention]
	if numbers.DoneAt != nil {
		f.CountedAt = *numbers.DoneAt
		if err := json.Unmarshal(numbers.Result, &f.Fleet); err != nil {
			return f, fmt.Errorf("read the fleet's counts: %w", err)
		}
	}
	if sweep.DoneAt != nil {
		f.SweptAt = *sweep.DoneAt
	}
	if sweep.NextAt != nil {
		f.SweepLate = max(0, sweep.Now.Sub(*sweep.NextAt))
	}
	return f, nil
}
