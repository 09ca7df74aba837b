package repo

import (
	"context"

	"github.com/google/uuid"
)

// CompanyNames reads the names of companies by id. Those that the tenant does
// not have are absent.
func (s *Store) CompanyNames(ctx context.Context, tenant string, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	names, err := namesByID[uuid.UUID](ctx, s.forTenant(tenant),
		`select id, name from halosync.companies where tenant = $1 and id = any($2)`, tenant, ids)
	return names, wrap("names of companies", err)
}

// ClientNames reads the names of a connection's clients, as Halo last told
// them. Those that it never showed are absent.
func (s *Store) ClientNames(ctx context.Context, tenant string, connectionID uuid.UUID, ids []int64) (map[int64]string, error) {
	names, err := namesByID[int64](ctx, s.forTenant(tenant), `
		select client_id, name from halosync.clients
		where tenant = $1 and client_id = any($2) and connection_id = $3`, tenant, ids, connectionID)
	return names, wrap("names of clients", err)
}

func namesByID[ID comparable](ctx context.Context, q querier, sql string, args ...any) (map[ID]string, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names := make(map[ID]string)
	for rows.Next() {
		var id ID
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			return nil, err
		}
		names[id] = name
	}
	return names, rows.Err()
}
