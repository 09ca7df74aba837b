package repo

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// CompaniesByID reads companies of the tenant, each with its client on the
// connection. Those that do not exist are absent.
func (s *Store) CompaniesByID(ctx context.Context, tenant string, connectionID uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]Company, error) {
	rows, err := s.forTenant(tenant).Query(ctx, `
		select c.id, c.tenant, c.name, coalesce(c.external_id, '') as external_id, c.created_at, m.client_id, m.client_name
		from unnest($3::uuid[]) as asked(id)
		cross join lateral (
			select * from halosync.companies c where c.tenant = $1 and c.id = asked.id limit 1) c
		left join lateral (
			select client_id, client_name from halosync.mappings
			where tenant = c.tenant and company_id = c.id and connection_id = $2 and deleted_at is null
			order by mapped_at, id limit 1) m on true`,
		tenant, connectionID, ids)
	if err != nil {
		return nil, wrap("companies by id", err)
	}
	companies, err := pgx.CollectRows(rows, pgx.RowToStructByName[Company])
	byID := make(map[uuid.UUID]Company, len(companies))
	for _, c := range companies {
		byID[c.ID] = c
	}
	return byID, wrap("companies by id", err)
}
