package repo

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// NewRun describes a run that is not in the ledger yet.
type NewRun struct {
	ID           uuid.UUID
	Kind         RunKind
	Tenant       string
	ConnectionID uuid.UUID
	Args         json.RawMessage // JSON object; nil means {}
	RequestKey   string          // 1 to 200 characters; equal requests have the same key
	RequestedBy  string
	Waiting      bool // the caller does not enqueue it; [Store.ClaimUndispatched] will return it
	Died         bool // for a claim: the previous execution ended with a worker crash
	TenantRuns   int  // for a claim: maximum number of the tenant's bulk runs that run at a time; 0: no maximum
}

// insertRunSQL writes a queued run, unless its id or a live run of an equal request
// already exists.
const insertRunSQL = `
	insert into halosync.runs (id, kind, tenant, connection_id, args, request_key, requested_by, dispatched_at)
	values ($1, $2, $3, $4, $5, $6, $7, case when $8 then null else now() end)
	on conflict do nothing`

func (n NewRun) values() []any {
	args := n.Args
	if len(args) == 0 {
		args = json.RawMessage(`{}`)
	}
	return []any{n.ID, n.Kind, n.Tenant, n.ConnectionID, args, n.RequestKey, note(n.RequestedBy), n.Waiting}
}

func (n NewRun) check() error {
	if n.ID == uuid.Nil {
		return &InvalidError{What: "run id", Reason: "is missing"}
	}
	if err := checkText("tenant", n.Tenant, 1, 200); err != nil {
		return err
	}
	if err := checkText("request key", n.RequestKey, 1, 200); err != nil {
		return err
	}
	switch n.Kind {
	case KindImport, KindMap, KindUnmap, KindResync, KindSuggest:
		return nil
	}
	return &InvalidError{What: "kind of run", Reason: "is unknown"}
}

// CreateRun writes a queued run. If the run of an equal request is queued or running,
// CreateRun returns that run and existed is true. It returns [ErrNotFound] if the
// tenant does not have the connection, and a [*ConflictError] if another run has the
// id.
func (s *Store) CreateRun(ctx context.Context, n NewRun) (run Run, existed bool, err error) {
	if err := n.check(); err != nil {
		return Run{}, false, wrap("create run", err)
	}
	// Between the insert and the select, the other run may end, or the transaction that
	// wrote its row may be rolled back. In that case, try again.
	for range 10 {
		tag, err := s.forTenant(n.Tenant).Exec(ctx, insertRunSQL, n.values()...)
		if err != nil {
			return Run{}, false, wrap("create run", err)
		}
		run, err = queryRun(ctx, s.forTenant(n.Tenant), `
			select `+runColumns+` from halosync.runs
			where tenant = $1 and connection_id = $2 and kind = $3 and request_key = $4
				and (id = $5 or state in ('queued', 'running'))
			order by id = $5 desc limit 1`, n.Tenant, n.ConnectionID, n.Kind, n.RequestKey, n.ID)
		if err == nil {
			return run, tag.RowsAffected() == 0, nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return Run{}, false, wrap("create run", err)
		}
	}
	return Run{}, false, wrap("create run", &ConflictError{What: "run", Name: Hex(n.ID)})
}
