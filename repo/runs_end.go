package repo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Finish describes the end of a run.
type Finish struct {
	State        RunState // [StateSucceeded], [StatePartial], [StateHeld], [StateFailed] or [StateCancelled]
	Error        string   // the reason, if it did not succeed
	Complete     bool     // the whole list was read
	RecordsTotal int      // 0: as reported by the batches
	// Verified reports whether every mapping that the connection had at the start of
	// the run is up to date with Halo, except those that are now unverified.
	Verified bool
	// ClientsPages is the number of pages in a complete listing; 0: no complete listing
	// was read.
	ClientsPages int
	Stack        string // stack of the panic that failed the run
	// WouldMiss is the number of mappings that a held run would have marked as missing.
	WouldMiss int
}

// endedChannel carries the id of each run that ends, formatted by [Hex].
const endedChannel = "halosync_runs"

// FinishRun writes the final state of a run. If a client, pair or mapping of the run
// failed or is ambiguous, the run does not succeed: FinishRun writes [StatePartial]
// instead, and adds the number of failures and their reasons to the run's error. On success
// it sets the connection's time of last success.
//
// It returns [ErrFenced] if another execution owns the run. A second call with the same
// state is not an error, so a caller that does not know whether the first call was
// committed can repeat it.
func (s *Store) FinishRun(ctx context.Context, ref RunRef, f Finish) error {
	if f.State == "" || !(Run{State: f.State}).Ended() {
		return wrap("finish run", &InvalidError{What: "last state of a run", Reason: "is not a last state"})
	}
	err := s.forTenant(ref.Tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		run, err := lockToFinish(ctx, tx, ref, f)
		if err != nil || run.state != StateRunning { // already finished
			return err
		}
		if n := run.failed + run.ambiguous; n > 0 && (f.State == StateSucceeded || f.State == StatePartial) {
			why, err := failures(ctx, tx, ref, run.kind, n)
			if err != nil {
				return err
			}
			f.State, f.Error = StatePartial, joinReasons(f.Error, why)
		}
		b := &pgx.Batch{}
		b.Queue(`
			update halosync.runs set state = $3, error = $4, finished_at = now(), wait_reason = '', not_before = null,
				complete = $5, records_total = case when $6 > 0 then $6 else records_total end, missing = missing + $7, stack = $8
			where tenant = $1 and id = $2`,
			ref.Tenant, ref.ID, f.State, note(f.Error), f.Complete, f.RecordsTotal, f.WouldMiss, note(f.Stack))
		queueProved(b, ref, f)
		queueEnded(b, ref.Tenant, ref.ID)
		return tx.SendBatch(ctx, b).Close()
	})
	return wrap("finish run", err)
}

// lockToFinish locks the connection's row and then the run's row, in the same order as
// a claim, so that a claim and a finish cannot deadlock.
func lockToFinish(ctx context.Context, tx pgx.Tx, ref RunRef, f Finish) (run finishing, err error) {
	b := &pgx.Batch{}
	b.Queue(lockConnectionSQL, ref.Tenant, ref.ConnectionID)
	b.Queue(`
		select state, kind, failed, ambiguous from halosync.runs
		where tenant = $1 and id = $2 and fence = $3 and (state in ('running', $4) or $4 = 'succeeded' and state = 'partial') for update`,
		ref.Tenant, ref.ID, ref.Fence, f.State).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&run.state, &run.kind, &run.failed, &run.ambiguous)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrFenced
		}
		return err
	})
	return run, tx.SendBatch(ctx, b).Close()
}

// finishing is the run that [Store.FinishRun] locks.
type finishing struct {
	state             RunState
	kind              RunKind
	failed, ambiguous int
}

// maxReasons is the maximum number of different reasons in the error of a partial run,
// and maxReason is the maximum length of each in characters. A reason can contain long
// names.
const (
	maxReasons = 3
	maxReason  = 200
)

// failures returns a sentence that says how many clients, pairs or mappings a run could
// not process, and why. The most frequent reasons come first, then the earliest.
func failures(ctx context.Context, tx pgx.Tx, ref RunRef, kind RunKind, n int) (string, error) {
	rows, err := tx.Query(ctx, `
		select reason, count(*) from halosync.run_items where tenant = $1 and run_id = $2 and not settled
		group by reason order by count(*) desc, min(seq) limit $3`, ref.Tenant, ref.ID, maxReasons)
	if err != nil {
		return "", err
	}
	var why []string
	var reason string
	var times, told int
	_, err = pgx.ForEachRow(rows, []any{&reason, &times}, func() error {
		told += times
		if runes := []rune(reason); len(runes) > maxReason {
			reason = string(runes[:maxReason]) + "…"
		}
		if times > 1 {
			reason += fmt.Sprintf(" (%d)", times)
		}
		why = append(why, reason)
		return nil
	})
	if err != nil {
		return "", err
	}
	if told < n {
		why = append(why, "and others")
	}
	return notDone(kind, n) + ": " + strings.Join(why, "; "), nil
}

// notDone returns the beginning of the sentence about n failed items of a run.
func notDone(kind RunKind, n int) string {
	one, many, verb := "client", "clients", "imported"
	switch kind {
	case KindMap:
		one, many, verb = "pair", "pairs", "mapped"
	case KindUnmap:
		one, many, verb = "mapping", "mappings", "unmapped"
	case KindResync:
		verb = "verified"
	}
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s cannot be %s", n, many, verb)
}

// joinReasons joins two reasons, of which the first may be empty.
func joinReasons(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// queueProved queues an update of the connection. It records that a run succeeded and
// what a resync has verified, so that unchanged mappings need not be written.
func queueProved(b *pgx.Batch, ref RunRef, f Finish) {
	if f.State != StateSucceeded && !f.Verified && f.ClientsPages == 0 {
		return
	}
	b.Queue(`
		update halosync.connections c set
			verified_at = case when $4 then r.started_at else c.verified_at end,
			listed_at = case when $4 and $5 > 0 then r.started_at else c.listed_at end,
			clients_pages = case when $5 > 0 then $5 else c.clients_pages end,
			last_success_at = case when $6 then now() else c.last_success_at end
		from halosync.runs r
		where c.tenant = $1 and c.id = $2 and r.tenant = $1 and r.id = $3`,
		ref.Tenant, ref.ConnectionID, ref.ID, f.Verified, f.ClientsPages, f.State == StateSucceeded)
}

const lockConnectionSQL = `select 1 from halosync.connections where tenant = $1 and id = $2 for no key update`

// lockConnection locks the connection's row. Callers lock the run's row afterwards, in
// the same order as a claim, so that they cannot deadlock with a claim.
func lockConnection(ctx context.Context, tx pgx.Tx, ref RunRef) error {
	_, err := tx.Exec(ctx, lockConnectionSQL, ref.Tenant, ref.ConnectionID)
	return err
}

// end writes the final state of a run and deletes the rows that only a running run
// needs.
func end(ctx context.Context, tx pgx.Tx, tenant string, id uuid.UUID, state RunState, why string) error {
	b := &pgx.Batch{}
	b.Queue(`
		update halosync.runs set state = $3, error = $4, finished_at = now(), wait_reason = '', not_before = null
		where tenant = $1 and id = $2`, tenant, id, state, note(why))
	queueEnded(b, tenant, id)
	return tx.SendBatch(ctx, b).Close()
}

// queueEnded queues the deletion of the rows that only a running run needs, and a
// notification that the run has ended.
func queueEnded(b *pgx.Batch, tenant string, id uuid.UUID) {
	for _, table := range []string{"run_pages", "run_findings"} {
		b.Queue(`delete from halosync.`+table+` where tenant = $1 and run_id = $2`, tenant, id)
	}
	b.Queue(`select pg_notify($1, $2)`, endedChannel, Hex(id))
}

// RequestCancel ends a queued run at once. A run that is running ends at its next batch. A
// finished run does not change. RequestCancel is safe to repeat.
func (s *Store) RequestCancel(ctx context.Context, tenant string, id uuid.UUID, actor string) (Run, error) {
	err := s.forTenant(tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		run, err := lockRun(ctx, tx, tenant, id)
		if err != nil || run.Ended() || run.CancelRequestedAt != nil && run.State == StateRunning {
			return err
		}
		_, err = tx.Exec(ctx, `
			update halosync.runs set cancel_requested_at = coalesce(cancel_requested_at, now())
			where tenant = $1 and id = $2`, tenant, id)
		if err != nil {
			return err
		}
		if run.State == StateQueued {
			if err := end(ctx, tx, tenant, id, StateCancelled, "cancelled before it ran"); err != nil {
				return err
			}
		}
		return addEvent(ctx, tx, Event{
			Tenant: tenant, Actor: actor, Action: "run.cancelled", How: "while " + string(run.State),
			RunID: &id, ConnectionID: &run.ConnectionID,
		})
	})
	if err != nil {
		return Run{}, wrap("cancel run", err)
	}
	return s.Run(ctx, tenant, id)
}

// RejectRun fails a queued or running run that no execution can accept. It does not
// change a finished run. It returns [ErrNotFound] if the tenant has no such run.
func (s *Store) RejectRun(ctx context.Context, tenant string, id uuid.UUID, reason string) error {
	err := s.forTenant(tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		run, err := lockRun(ctx, tx, tenant, id)
		if err != nil || run.Ended() {
			return err
		}
		return end(ctx, tx, tenant, id, StateFailed, reason)
	})
	return wrap("reject run", err)
}

func lockRun(ctx context.Context, tx pgx.Tx, tenant string, id uuid.UUID) (Run, error) {
	return queryRun(ctx, tx, `select `+runColumns+` from halosync.runs where tenant = $1 and id = $2 for update`, tenant, id)
}

// ErrNotHeld means that a run cannot be approved because it is not held.
var ErrNotHeld = errors.New("run is not held")

// ApproveRun queues a held run again. The run starts over and uses Halo's current
// answers. It may mark as many mappings missing as it would have when it was held.
// Approval also confirms the connection's Halo (see [Store.ConfirmInstance]). If the
// connection needed to be reconnected, it becomes active.
//
// It returns [ErrNotHeld] if the run is not held, a [*ConflictError] while the run of
// an equal request is queued or running, or [ErrNotFound].
func (s *Store) ApproveRun(ctx context.Context, tenant string, id uuid.UUID, actor string) (Run, error) {
	err := s.forTenant(tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		run, err := queryRun(ctx, tx, `select `+runColumns+` from halosync.runs where tenant = $1 and id = $2`, tenant, id)
		if err != nil {
			return err
		}
		if err := lockConnection(ctx, tx, RunRef{Tenant: tenant, ConnectionID: run.ConnectionID}); err != nil {
			return err
		}
		if run, err = lockRun(ctx, tx, tenant, id); err != nil {
			return err
		}
		if run.State != StateHeld {
			return ErrNotHeld
		}
		return approve(ctx, tx, run, actor)
	})
	if err != nil {
		return Run{}, wrap("approve run", err)
	}
	return s.Run(ctx, tenant, id)
}

func approve(ctx context.Context, tx pgx.Tx, run Run, actor string) error {
	_, err := tx.Exec(ctx, `
		update halosync.runs set state = 'queued', fence = fence + 1, finished_at = null, started_at = null, error = '',
			complete = false, cursor = null, dispatched_at = now(), approved_at = now(), approved_by = $3, approved_missing = missing,
			pages = 0, passes = 0, records = 0, records_total = 0, created = 0, linked = 0, refreshed = 0, unchanged = 0,
			ambiguous = 0, skipped = 0, failed = 0, missing = 0, unverified = 0, removed = 0
		where tenant = $1 and id = $2`, run.Tenant, run.ID, note(actor))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `delete from halosync.run_items where tenant = $1 and run_id = $2`, run.Tenant, run.ID); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		update halosync.connections set instance_unsure = false,
			state = case when state = 'needs_reconnect' then 'active' else state end,
			state_reason = case when state = 'needs_reconnect' then '' else state_reason end
		where tenant = $1 and id = $2`, run.Tenant, run.ConnectionID)
	if err != nil {
		return err
	}
	return addEvent(ctx, tx, Event{
		Tenant: run.Tenant, Actor: actor, Action: "run.approved", How: note(run.Error), RunID: &run.ID, ConnectionID: &run.ConnectionID,
	})
}
