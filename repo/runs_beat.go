package repo

import "context"

// Beat notes that a run's execution is alive. [ErrFenced] if the run is not
// the caller's any more.
func (s *Store) Beat(ctx context.Context, ref RunRef) error {
	tag, err := s.forTenant(ref.Tenant).Exec(ctx, `
		update halosync.runs set beat_at = now()
		where tenant = $1 and id = $2 and fence = $3 and state = 'running'`, ref.Tenant, ref.ID, ref.Fence)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrFenced
	}
	return wrap("sign of life", err)
}
