package repo

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Jobs that at most one worker of the fleet runs at a time.
const (
	JobRetention = "retention"
	JobNumbers   = "numbers"
)

// Upkeep is the state of a fleet job.
type Upkeep struct {
	Job     string
	Now     time.Time       // the database's clock
	NextAt  *time.Time      // nil: not planned yet
	DoneAt  *time.Time      // nil: never
	Running bool            // a worker is doing the job
	Result  json.RawMessage // result of the last completion, a JSON object
}

const upkeepSQL = `
	select job, now() as now, next_at, done_at, coalesce(held_until > now(), false) as running, result from halosync.upkeep`

// Upkeep reads the state of all fleet jobs, which do not belong to a tenant.
func (s *Store) Upkeep(ctx context.Context) (map[string]Upkeep, error) {
	rows, err := s.pool.ForNoTenant().Query(ctx, upkeepSQL)
	if err != nil {
		return nil, wrap("upkeep", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Upkeep])
	jobs := make(map[string]Upkeep, len(list))
	for _, u := range list {
		jobs[u.Job] = u
	}
	return jobs, wrap("upkeep", err)
}

// PlanUpkeep sets the due time of a job that is not planned yet.
func (s *Store) PlanUpkeep(ctx context.Context, job string, next time.Time) error {
	_, err := s.pool.ForNoTenant().Exec(ctx, `update halosync.upkeep set next_at = $2 where job = $1 and next_at is null`, job, next)
	return wrap("plan upkeep", err)
}

// TakeUpkeep leases a job to holder if the job is due and not leased. The lease ends after
// the duration life unless [Store.HoldUpkeep] renews it. The result called taken reports
// whether holder got the lease.
func (s *Store) TakeUpkeep(ctx context.Context, job string, holder uuid.UUID, life time.Duration) (taken bool, err error) {
	tag, err := s.pool.ForNoTenant().Exec(ctx, `
		update halosync.upkeep set holder = $2, held_until = now() + $3::interval
		where job = $1 and next_at <= now() and (held_until is null or held_until < now())`, job, holder, life)
	return tag.RowsAffected() > 0, wrap("take upkeep", err)
}

// HoldUpkeep renews the lease. It returns [ErrFenced] if another worker now owns the
// job.
func (s *Store) HoldUpkeep(ctx context.Context, job string, holder uuid.UUID, life time.Duration) error {
	return s.holding(ctx, "hold upkeep", `
		update halosync.upkeep set held_until = now() + $3::interval where job = $1 and holder = $2 returning true`, job, holder, life)
}

// EndUpkeep records that a job is done, with its result and its next due time. It
// returns [ErrFenced] if another worker now owns the job.
func (s *Store) EndUpkeep(ctx context.Context, job string, holder uuid.UUID, next time.Time, result any) error {
	raw, err := json.Marshal(result)
	if err != nil {
		return wrap("end upkeep", err)
	}
	return s.holding(ctx, "end upkeep", `
		update halosync.upkeep set holder = null, held_until = null, done_at = now(), next_at = $3, result = $4
		where job = $1 and holder = $2 returning true`, job, holder, next, json.RawMessage(raw))
}

// holding runs a statement that returns a row only if the holder still owns the job.
// Without a row, the error is [ErrFenced].
func (s *Store) holding(ctx context.Context, what, sql string, args ...any) error {
	var held bool
	err := s.pool.ForNoTenant().QueryRow(ctx, sql, args...).Scan(&held)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrFenced
	}
	return wrap(what, err)
}
