package repo

import (
	"context"
	"iter"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// MappedClient is Halo's side of a mapping in force.
type MappedClient struct {
	ClientID   int64
	ClientName string // as Halo last told it
	State      string // of the mapping
}

// MappedClients reads the mapped clients of a connection in ascending order
// of id, some thousands at a time. It stops at the first error, which it
// yields last.
func (s *Store) MappedClients(ctx context.Context, tenant string, connectionID uuid.UUID) iter.Seq2[MappedClient, error] {
	return chunks(func(last *MappedClient) ([]MappedClient, error) {
		after := int64(0)
		if last != nil {
			after = last.ClientID
		}
		rows, err := s.forTenant(tenant).Query(ctx, `
			select client_id, client_name, state from halosync.mappings
			where tenant = $1 and connection_id = $2 and deleted_at is null and client_id > $3
			order by client_id limit $4`, tenant, connectionID, after, chunkSize)
		if err != nil {
			return nil, wrap("mapped clients", err)
		}
		mapped, err := pgx.CollectRows(rows, pgx.RowToStructByName[MappedClient])
		return mapped, wrap("mapped clients", err)
	})
}

// SampleMapped reads up to n mapped clients that Halo has shown before, the
// same ones each time, from all over the list.
func (s *Store) SampleMapped(ctx context.Context, tenant string, connectionID uuid.UUID, n int) ([]MappedClient, error) {
	rows, err := s.forTenant(tenant).Query(ctx, `
		select client_id, client_name, state from halosync.mappings
		where tenant = $1 and connection_id = $2 and deleted_at is null and state in ('ok', 'inactive')
		order by hashint8extended(client_id, 0), client_id limit $3`, tenant, connectionID, n)
	if err != nil {
		return nil, wrap("sample of mapped clients", err)
	}
	mapped, err := pgx.CollectRows(rows, pgx.RowToStructByName[MappedClient])
	return mapped, wrap("sample of mapped clients", err)
}

// TrustInstance notes that a connection reads the Halo that its mappings come
// from.
func (s *Store) TrustInstance(ctx context.Context, tenant string, connectionID uuid.UUID) error {
	tag, err := s.forTenant(tenant).Exec(ctx, `
		update halosync.connections set instance_unsure = false where tenant = $1 and id = $2`, tenant, connectionID)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrNotFound
	}
	return wrap("trust instance", err)
}
