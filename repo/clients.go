package repo

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Client is one of Halo's clients, with the fields that a page of the API returns.
type Client struct {
	ID           int64 // > 0
	Name         string
	Inactive     bool
	TopLevelID   int64 // 0: none
	TopLevelName string
}

// CompanyRef identifies a company.
type CompanyRef struct {
	ID   uuid.UUID
	Name string
}

// ClientsMapped returns the companies that the given clients of a connection are mapped
// to. Clients without a mapping are absent from the result.
func (s *Store) ClientsMapped(ctx context.Context, tenant string, connectionID uuid.UUID, ids []int64) (map[int64]CompanyRef, error) {
	rows, err := s.forTenant(tenant).Query(ctx, `
		select m.client_id, c.id, c.name
		from halosync.mappings m
		join halosync.companies c on c.tenant = m.tenant and c.id = m.company_id
		where m.tenant is not distinct from $1 and m.connection_id = $2 and m.client_id = any($3) and m.deleted_at is null`,
		tenant, connectionID, ids)
	if err != nil {
		return nil, wrap("mapped clients", err)
	}
	mapped := make(map[int64]CompanyRef)
	var id int64
	var ref CompanyRef
	_, err = pgx.ForEachRow(rows, []any{&id, &ref.ID, &ref.Name}, func() error {
		mapped[id] = ref
		return nil
	})
	return mapped, wrap("mapped clients", err)
}

// unstorableClient returns the reason why a client cannot be stored, or "" if it can.
func unstorableClient(c Client) string {
	if c.ID <= 0 {
		return "id is not positive"
	}
	if reason := unstorable(c.Name, 0, 1000); reason != "" {
		return "name " + reason
	}
	if reason := unstorable(c.TopLevelName, 0, 1000); reason != "" {
		return "top level's name " + reason
	}
	return ""
}

// CompanyNames reads the names of companies by id. Unknown ids are absent from the
// result.
func (s *Store) CompanyNames(ctx context.Context, tenant string, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	names, err := namesByID[uuid.UUID](ctx, s.forTenant(tenant),
		`select id, name from halosync.companies where tenant = $1 and id = any($2)`, tenant, ids)
	return names, wrap("names of companies", err)
}

// ClientNames reads the names of a connection's clients, as Halo last returned them.
// Clients that Halo never returned are absent from the result.
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
