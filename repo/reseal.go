package repo

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var errNoKeys = errors.New("no key set was given")

// ResealSecrets seals up to limit connections' secrets anew with the primary
// key, of all tenants, and says how many; 0 without an error means that none
// is left under an older key. Several processes may do so at once. A secret
// that does not open is left alone and named in the error, beside the count
// of those that went well.
func (s *Store) ResealSecrets(ctx context.Context, limit int) (n int, err error) {
	if s.keys == nil {
		return 0, wrap("reseal", errNoKeys)
	}
	var stuck []error
	err = s.asAll().inTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		old, err := staleSecrets(ctx, tx, s.keys.PrimaryPrefix(), limit)
		if err != nil {
			return err
		}
		for _, o := range old {
			if err := s.reseal(ctx, tx, o); errors.Is(err, errStuck) {
				stuck = append(stuck, err)
			} else if err != nil {
				return err
			} else {
				n++
			}
		}
		return nil
	})
	if err != nil {
		return 0, wrap("reseal", err)
	}
	return n, wrap("reseal", errors.Join(stuck...))
}

var errStuck = errors.New("left alone")

type sealedSecret struct {
	Tenant       string
	ID           uuid.UUID
	SecretSealed []byte
}

// staleSecrets locks secrets that do not begin as those of the primary key.
func staleSecrets(ctx context.Context, tx pgx.Tx, prefix []byte, limit int) ([]sealedSecret, error) {
	rows, err := tx.Query(ctx, `
		select tenant, id, secret_sealed from halosync.connections
		where substring(secret_sealed from 1 for length($1::bytea)) <> $1
		order by tenant, id limit $2 for no key update skip locked`, prefix, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[sealedSecret])
}

func (s *Store) reseal(ctx context.Context, tx pgx.Tx, old sealedSecret) error {
	plain, err := s.open(old.SecretSealed, old.Tenant, old.ID)
	if err != nil {
		return fmt.Errorf("connection %s %w: %w", old.ID, errStuck, err)
	}
	sealed, err := s.seal(plain, old.Tenant, old.ID)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `update halosync.connections set secret_sealed = $3 where tenant = $1 and id = $2`, old.Tenant, old.ID, sealed)
	return err
}
