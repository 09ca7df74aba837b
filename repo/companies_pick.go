package repo

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// PickCompanies lists up to most companies of which one may be mapped on a
// connection: those that are not mapped on it first, then the oldest first,
// each with its client on the connection. search narrows them to names that
// contain it, in any case; empty: it does not.
//
// Where all are mapped, each company has to be looked at. The planner is kept
// from looking its mapping up one by one: without statistics it does that with
// the wrong index, which takes minutes for a hundred thousand.
func (s *Store) PickCompanies(ctx context.Context, tenant string, connectionID uuid.UUID, search string, most int) (found []Company, err error) {
	err = s.forTenant(tenant).InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `set local enable_nestloop = off`); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `
			select c.id, c.tenant, c.name, coalesce(c.external_id, '') as external_id, c.created_at, m.client_id, m.client_name
			from halosync.companies c
			left join halosync.mappings m
				on m.tenant = $1 and m.connection_id = $2 and m.company_id = c.id and m.deleted_at is null
			where c.tenant = $1 and ($3 = '' or position(lower($3) in lower(c.name)) > 0)
			order by m.client_id is not null, c.id limit $4`,
			tenant, connectionID, search, limit(most))
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowToStructByName[Company])
		return err
	})
	return found, wrap("companies to pick from", err)
}
