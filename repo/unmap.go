package repo

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Outcomes of one mapping in a request, in addition to [Refused].
const (
	Unmapped        Outcome = "unmapped"
	AlreadyUnmapped Outcome = "already unmapped"
	DoesNotExist    Outcome = "does not exist"
)

// MappingOutcome is the outcome of one mapping in a request.
type MappingOutcome struct {
	ID      uuid.UUID
	Outcome Outcome
	Reason  string
	Mapping *Mapping // the mapping before the change; nil: it does not exist
}

// Unmap unmaps mappings of any connection and returns the outcome of each. The row of
// an unmapped mapping is kept, with the time and the actor. An import that was
// requested earlier does not map the pair again. The ids must not have duplicates.
func (s *Store) Unmap(ctx context.Context, tenant, actor string, ids []uuid.UUID) (outcomes []MappingOutcome, err error) {
	err = s.inTenantTx(ctx, tenant, func(ctx context.Context, tx pgx.Tx) error {
		outcomes, err = unmap(ctx, tx, deletion{tenant: tenant, actor: actor, how: "unmap", ids: ids}, nil)
		return err
	})
	return outcomes, wrap("unmap", err)
}

// UnmapRun is like [Store.Unmap], for a run. It unmaps only mappings of the run's
// connection and writes outcomes, counts and checkpoint in the same transaction.
// Repeating the call does nothing. If the result cancelled is true, the run was cancelled
// and nothing was done. UnmapRun returns [ErrFenced] if another execution owns the run.
func (s *Store) UnmapRun(ctx context.Context, ref RunRef, ids []uuid.UUID) (cancelled bool, err error) {
	err = s.inTenantTx(ctx, ref.Tenant, func(ctx context.Context, tx pgx.Tx) error {
		run, err := lockChunk(ctx, tx, ref, 1)
		if cancelled = run.cancelled && !run.repeated; err != nil || run.cancelled || run.repeated {
			return err
		}
		d := deletion{tenant: ref.Tenant, actor: run.requestedBy, how: "unmap", runID: &ref.ID, ids: ids}
		outcomes, err := unmap(ctx, tx, d, &ref.ConnectionID)
		if err != nil {
			return err
		}
		return recordUnmap(ctx, tx, ref, outcomes)
	})
	return cancelled, wrap("unmap", err)
}

// recordUnmap writes the outcomes to the run. Outcomes that do not need a person's
// attention are only counted.
func recordUnmap(ctx context.Context, tx pgx.Tx, ref RunRef, outcomes []MappingOutcome) error {
	var counts Counts
	var items itemColumns
	for _, o := range outcomes {
		switch o.Outcome {
		case Unmapped:
			counts.Removed++
		case AlreadyUnmapped:
			counts.Unchanged++
		default:
			counts.Failed++
			items.add(RunItem{Outcome: o.Outcome, Reason: fmt.Sprintf("mapping %s: %s", o.ID, o.Reason)})
		}
	}
	b := &pgx.Batch{}
	b.Queue(addItemsSQL, ref.Tenant, ref.ID, items.clientIDs, items.companyIDs, items.outcomes, items.reasons, maxItems)
	queueChunk(b, ref, 1, len(outcomes), len(outcomes), nil, counts)
	return tx.SendBatch(ctx, b).Close()
}

// unmap unmaps those of the mappings that are active. If connection is not nil, the
// mappings must belong to it.
func unmap(ctx context.Context, tx pgx.Tx, d deletion, connection *uuid.UUID) ([]MappingOutcome, error) {
	before, err := mappingsByID(ctx, tx, d.tenant, d.ids)
	if err != nil {
		return nil, err
	}
	outcomes := make([]MappingOutcome, len(d.ids))
	var live []uuid.UUID
	for i, id := range d.ids {
		m, ok := before[id]
		o := MappingOutcome{ID: id, Outcome: DoesNotExist, Reason: `"enqueue mappings" shows those of this tenant`}
		switch {
		case ok && connection != nil && m.ConnectionID != *connection:
			o.Reason = "it belongs to another connection"
		case ok && m.DeletedAt != nil:
			o.Outcome, o.Reason, o.Mapping = AlreadyUnmapped, "", &m
		case ok:
			o.Outcome, o.Reason, o.Mapping = Unmapped, "", &m
			live = append(live, id)
		}
		outcomes[i] = o
	}
	d.ids = live
	gone, err := deleteMappings(ctx, tx, d)
	if err == nil && gone != len(live) {
		err = fmt.Errorf("%d of %d mappings deleted", gone, len(live))
	}
	return outcomes, err
}

// deletion holds the mappings to unmap and what their events record.
type deletion struct {
	tenant, actor, how string
	runID              *uuid.UUID
	ids                []uuid.UUID
}

// deleteMappings unmaps those of the mappings that are active, with an event for each,
// and returns their number. It records the current time, not the start of the
// transaction, because the transaction may have waited for the batch of an import. A
// run that was queued during the wait must respect the unmapping.
func deleteMappings(ctx context.Context, tx pgx.Tx, d deletion) (int, error) {
	if len(d.ids) == 0 {
		return 0, nil
	}
	tag, err := tx.Exec(ctx, `
		with gone as (
			update halosync.mappings set deleted_at = clock_timestamp(), deleted_by = $2
			where tenant = $1 and id = any($5) and deleted_at is null
			returning *)
		insert into halosync.events (tenant, actor, action, how, run_id, connection_id, mapping_id, company_id, client_id, before)
		select $1, $2, 'mapping.deleted', $3, $4, g.connection_id, g.id, g.company_id, g.client_id,
			jsonb_build_object('company_name', c.name, 'client_name', g.client_name, 'client_inactive', g.client_inactive,
				'mapped_at', g.mapped_at, 'mapped_by', g.mapped_by, 'state', g.state, 'state_reason', g.state_reason)
		from gone g
		join halosync.companies c on c.tenant = g.tenant and c.id = g.company_id
		order by g.id`,
		d.tenant, note(d.actor), note(d.how), d.runID, d.ids)
	return int(tag.RowsAffected()), err
}

// MappingsByID reads mappings by id, including unmapped ones. Unknown ids are absent
// from the result.
func (s *Store) MappingsByID(ctx context.Context, tenant string, ids []uuid.UUID) (map[uuid.UUID]Mapping, error) {
	mappings, err := mappingsByID(ctx, s.forTenant(tenant), tenant, ids)
	return mappings, wrap("mappings", err)
}

func mappingsByID(ctx context.Context, q querier, tenant string, ids []uuid.UUID) (map[uuid.UUID]Mapping, error) {
	rows, err := q.Query(ctx, mappingSQL+`where m.tenant = $1 and m.id = any($2)`, tenant, ids)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Mapping])
	byID := make(map[uuid.UUID]Mapping, len(list))
	for _, m := range list {
		byID[m.ID] = m
	}
	return byID, err
}
