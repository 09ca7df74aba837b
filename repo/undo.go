package repo

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// UndoMapping is an active mapping that a run created.
type UndoMapping struct {
	Mapping
	// TouchedBy and TouchedHow are the actor and the action of the first later change
	// that was not made by a sync. Both are empty if there was no such change.
	TouchedBy, TouchedHow string
}

// UndoCompany is a company that a run created and that still exists.
type UndoCompany struct {
	ID              uuid.UUID
	Name            string
	ExternalID      string
	Changed         bool   // since it was created
	Mapped          bool   // it has an active mapping, to ClientID
	MappedElsewhere bool   // another run or a person mapped it, even if that mapping is no longer active
	ClientID        int64  // 0: not Mapped
	ClientName      string // empty: not Mapped
}

// Undone is the result of undoing a part of a run.
type Undone struct {
	Removed int
	Gone    int // already deleted
	Kept    []Kept
}

// Kept is a mapping or a company that was left unchanged.
type Kept struct {
	MappingID   uuid.UUID // zero: this is a company
	CompanyID   uuid.UUID
	CompanyName string
	ClientID    int64 // 0: none
	Reason      string
}

// undoPart is the number of mappings or companies undone in one transaction, while
// other transactions of the tenant wait.
const undoPart = 500

// UndoMappings unmaps mappings that a run created, one part for each call, starting
// after the given id. The function keep returns the reason why a mapping is kept, or
// "" to unmap it. The result next is the start of the next part, or zero at the end.
// The text called how is recorded in the events.
func (s *Store) UndoMappings(ctx context.Context, tenant, actor, how string, run, after uuid.UUID, keep func(UndoMapping) string) (done Undone, next uuid.UUID, err error) {
	err = s.inTenantTx(ctx, tenant, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, mappingSQL+`where m.tenant is not distinct from $1 and m.run_id = $2 and m.id > $3 order by m.id limit $4`,
			tenant, run, after, undoPart)
		if err != nil {
			return err
		}
		mappings, err := pgx.CollectRows(rows, pgx.RowToStructByName[Mapping])
		if err != nil {
			return err
		}
		touched, err := touches(ctx, tx, tenant, mappings)
		if err != nil {
			return err
		}
		d := deletion{tenant: tenant, actor: actor, how: how}
		for _, m := range mappings {
			u := touched[m.ID]
			u.Mapping = m
			if m.DeletedAt != nil {
				done.Gone++
			} else if reason := keep(u); reason != "" {
				done.Kept = append(done.Kept, Kept{MappingID: m.ID, CompanyID: m.CompanyID, CompanyName: m.CompanyName, ClientID: m.ClientID, Reason: reason})
			} else {
				d.ids = append(d.ids, m.ID)
			}
		}
		if len(mappings) == undoPart {
			next = mappings[undoPart-1].ID
		}
		done.Removed, err = deleteMappings(ctx, tx, d)
		return err
	})
	return done, next, wrap("undo mappings", err)
}

// touches reads who first changed each of the mappings after its creation. If a sync
// updates a mapping with Halo's data, this is not a change, even if the sync's run has been
// deleted since then.
func touches(ctx context.Context, tx pgx.Tx, tenant string, mappings []Mapping) (map[uuid.UUID]UndoMapping, error) {
	ids := make([]uuid.UUID, len(mappings))
	for i, m := range mappings {
		ids[i] = m.ID
	}
	rows, err := tx.Query(ctx, `
		select n.id, e.actor, e.action
		from unnest($2::uuid[]) as n(id)
		cross join lateral (
			select e.actor, e.action from halosync.events e
			where e.tenant is not distinct from $1 and e.mapping_id = n.id and e.action not in ('mapping.created', 'mapping.refreshed')
				and e.how <> 'resync' and not exists (select from halosync.runs r
					where r.tenant = $1 and r.id = e.run_id and r.kind in ('import', 'resync'))
			order by e.id limit 1) e`, tenant, ids)
	if err != nil {
		return nil, err
	}
	touched := make(map[uuid.UUID]UndoMapping)
	var id uuid.UUID
	var u UndoMapping
	return touched, each(rows, func() { touched[id] = u }, &id, &u.TouchedBy, &u.TouchedHow)
}

// UndoCompanies deletes companies that a run created, one part for each call, starting
// after the given creation event. The unmapped mappings of a deleted company are kept,
// without a company. A company with an active mapping cannot be deleted, so keep must
// keep every company that is Mapped. See [Store.UndoMappings].
func (s *Store) UndoCompanies(ctx context.Context, tenant, actor, how string, run uuid.UUID, after int64, keep func(UndoCompany) string) (done Undone, next int64, err error) {
	err = s.inTenantTx(ctx, tenant, func(ctx context.Context, tx pgx.Tx) error {
		found, last, err := createdCompanies(ctx, tx, tenant, run, after)
		if err != nil {
			return err
		}
		next = last
		var ids []uuid.UUID
		for _, c := range found {
			if c.ID == uuid.Nil {
				done.Gone++
			} else if c.own {
				continue // already reported with its mapping, which was kept
			} else if reason := keep(c.UndoCompany); reason != "" {
				done.Kept = append(done.Kept, Kept{CompanyID: c.ID, CompanyName: c.Name, ClientID: c.ClientID, Reason: reason})
			} else {
				ids = append(ids, c.ID)
			}
		}
		tag, err := tx.Exec(ctx, `
			with gone as (
				delete from halosync.companies where tenant = $1 and id = any($4) returning *)
			insert into halosync.events (tenant, actor, action, how, company_id, before)
			select $1, $2, 'company.deleted', $3, id, jsonb_build_object('name', name, 'created_at', created_at)
			from gone order by id`, tenant, note(actor), note(how), ids)
		done.Removed = int(tag.RowsAffected())
		return err
	})
	return done, next, wrap("undo companies", err)
}

// createdCompany is a company that a run created. A deleted company has the zero id.
type createdCompany struct {
	UndoCompany
	own bool // it has an active mapping that the run created
}

// createdCompanies reads a part of the companies that a run created.
func createdCompanies(ctx context.Context, tx pgx.Tx, tenant string, run uuid.UUID, after int64) (found []createdCompany, next int64, err error) {
	rows, err := tx.Query(ctx, `
		select e.id, coalesce(c.id, '00000000-0000-0000-0000-000000000000'), coalesce(c.name, ''), coalesce(c.external_id, ''),
			coalesce(c.updated_at <> c.created_at, false), m.client_id is not null, coalesce(m.run_id = $2, false),
			exists (select from halosync.mappings o where o.tenant is not distinct from $1 and o.company_id = c.id and o.run_id is distinct from $2),
			coalesce(m.client_id, 0), coalesce(m.client_name, '')
		from halosync.events e
		left join halosync.companies c on c.tenant = e.tenant and c.id = e.company_id
		left join lateral (
			select * from halosync.mappings m
			where m.tenant is not distinct from $1 and m.company_id = c.id and m.deleted_at is null
			order by m.run_id is not distinct from $2, m.id limit 1) m on true
		where e.tenant is not distinct from $1 and e.run_id = $2 and e.action = 'company.created' and e.id > $3
		order by e.id limit $4`, tenant, run, after, undoPart)
	if err != nil {
		return nil, 0, err
	}
	var last int64
	var c createdCompany
	err = each(rows, func() { found = append(found, c) },
		&last, &c.ID, &c.Name, &c.ExternalID, &c.Changed, &c.Mapped, &c.own, &c.MappedElsewhere, &c.ClientID, &c.ClientName)
	if len(found) == undoPart {
		next = last
	}
	return found, next, err
}
