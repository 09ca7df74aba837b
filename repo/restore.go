package repo

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Outcomes of restoring a mapping, in addition to [Refused] and [DoesNotExist].
const (
	Restored      Outcome = "restored"
	AlreadyActive Outcome = "in force already"
)

// HaloSide is Halo's current answer about the client of a mapping.
type HaloSide struct {
	State    MappingState
	Reason   string // only for [MappingMissing] and [MappingUnverified]
	Name     string // only for [MappingOK] and [MappingInactive]
	Inactive bool
}

// Restore makes unmapped mappings active again, with the same ids, and returns the
// outcome of each. The map called sides holds Halo's answer for each mapping; a mapping
// without an answer becomes unverified. A mapping is refused if its company was deleted, or
// if its company or client now has another mapping. The ids must not have duplicates.
func (s *Store) Restore(ctx context.Context, tenant, actor string, ids []uuid.UUID, sides map[uuid.UUID]HaloSide) (outcomes []MappingOutcome, err error) {
	err = s.inTenantTx(ctx, tenant, func(ctx context.Context, tx pgx.Tx) error {
		before, err := mappingsByID(ctx, tx, tenant, ids)
		if err != nil {
			return err
		}
		outcomes = make([]MappingOutcome, len(ids))
		for i, id := range ids {
			m, ok := before[id]
			if !ok {
				outcomes[i] = MappingOutcome{ID: id, Outcome: DoesNotExist, Reason: `"enqueue mappings --unmapped" shows those that can be restored`}
				continue
			}
			side, ok := sides[id]
			if !ok {
				side = HaloSide{State: MappingUnverified, Reason: "restored without asking Halo"}
			}
			outcomes[i], err = restore(ctx, tx, tenant, actor, m, side)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return outcomes, wrap("restore", err)
}

// restore restores one mapping, unless another mapping conflicts with it.
func restore(ctx context.Context, tx pgx.Tx, tenant, actor string, m Mapping, side HaloSide) (MappingOutcome, error) {
	o := MappingOutcome{ID: m.ID, Outcome: Refused, Mapping: &m}
	switch {
	case m.DeletedAt == nil:
		o.Outcome = AlreadyActive
		return o, nil
	case m.CompanyID == uuid.Nil:
		o.Reason = "its company was deleted"
		return o, nil
	}
	var err error
	if o.Reason, err = blocked(ctx, tx, tenant, m); err != nil || o.Reason != "" {
		return o, err
	}
	_, err = tx.Exec(ctx, `
		with before as (
			select * from halosync.mappings where tenant = $1 and id = $3),
		restored as (
			update halosync.mappings m set deleted_at = null, deleted_by = null, mapped_by = 'restore', mapped_at = now(),
				state = $4, state_reason = $5, vanished_at = null,
				client_name = case when $4 in ('ok', 'inactive') then $6 else m.client_name end,
				client_inactive = case when $4 in ('ok', 'inactive') then $7 else m.client_inactive end,
				last_verified_at = case when $4 = 'unverified' then m.last_verified_at else now() end
			where m.tenant = $1 and m.id = $3
			returning *)
		insert into halosync.events (tenant, actor, action, how, connection_id, mapping_id, company_id, client_id, before, after)
		select $1, $2, 'mapping.restored', 'restore', r.connection_id, r.id, r.company_id, r.client_id,
			jsonb_build_object('client_name', b.client_name, 'client_inactive', b.client_inactive, 'state', b.state,
				'state_reason', b.state_reason, 'mapped_by', b.mapped_by, 'mapped_at', b.mapped_at,
				'deleted_at', b.deleted_at, 'deleted_by', b.deleted_by),
			jsonb_build_object('client_name', r.client_name, 'client_inactive', r.client_inactive, 'state', r.state,
				'state_reason', r.state_reason, 'mapped_by', r.mapped_by)
		from restored r join before b on b.id = r.id`,
		tenant, note(actor), m.ID, side.State, note(side.Reason), side.Name, side.Inactive)
	if err != nil {
		return o, err
	}
	now, err := mappingsByID(ctx, tx, tenant, []uuid.UUID{m.ID})
	m = now[m.ID]
	o.Outcome, o.Reason = Restored, side.Reason
	return o, err
}

// blocked describes the active mapping that conflicts with an unmapped one. It returns
// "" if none does.
func blocked(ctx context.Context, tx pgx.Tx, tenant string, m Mapping) (string, error) {
	var companyID uuid.UUID
	var company, client string
	var clientID int64
	err := tx.QueryRow(ctx, `
		select o.company_id, c.name, o.client_id, o.client_name
		from halosync.mappings o
		join halosync.companies c on c.tenant = o.tenant and c.id = o.company_id
		where o.tenant = $1 and o.connection_id = $2 and (o.company_id = $3 or o.client_id = $4) and o.deleted_at is null
		order by o.company_id = $3 desc limit 1`, tenant, m.ConnectionID, m.CompanyID, m.ClientID).
		Scan(&companyID, &company, &clientID, &client)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", nil
	case err != nil:
		return "", err
	case companyID == m.CompanyID && clientID == m.ClientID:
		return "another mapping of the same pair is active", nil
	case companyID == m.CompanyID:
		return fmt.Sprintf("its company is now mapped to client %d (%s)", clientID, client), nil
	}
	return fmt.Sprintf("its client is now mapped to company %s (%s)", companyID, company), nil
}
