package repo

import "context"

// Installation returns the id of the installation, which a migration creates. The id is
// the same for all programs that use this database. A copy of the database has the same
// id.
func (s *Store) Installation(ctx context.Context) (id string, err error) {
	err = s.pool.ForNoTenant().QueryRow(ctx, `select id::text from halosync.installation`).Scan(&id)
	return id, wrap("installation", err)
}
