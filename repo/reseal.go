package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/internal/secret"
)

var errNoKeys = errors.New("no key set was given")

// ResealCursor is the position of a pass of [Store.ResealSecrets]; the zero value is
// its start.
type ResealCursor struct {
	Tenant string
	ID     uuid.UUID
}

// StuckSecret is a connection's secret that cannot be decrypted.
type StuckSecret struct {
	Tenant     string
	Connection uuid.UUID
	Err        error // a [secret.ErrOpen]
}

// Resealed is the result of one call of [Store.ResealSecrets].
type Resealed struct {
	Sealed int           // secrets sealed with the primary key
	Stuck  []StuckSecret // secrets that were left unchanged
	Next   ResealCursor  // where the pass continues
	Done   bool          // the pass is over
}

// ResealSecrets finds up to limit secrets of all tenants that were sealed with an
// older key, starting after a cursor. It seals them with the primary key. It skips
// secrets whose key is newer or not in the set. Several processes may call it at
// once; each skips the rows that another process has locked.
func (s *Store) ResealSecrets(ctx context.Context, after ResealCursor, limit int) (r Resealed, err error) {
	if s.keys == nil {
		return Resealed{}, wrap("reseal", errNoKeys)
	}
	err = s.forAllTenants().InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		r = Resealed{Next: after}
		old, err := olderSecrets(ctx, tx, s.keys.OlderPrefixes(), after, limit)
		if err != nil {
			return err
		}
		for _, o := range old {
			plain, err := s.open(o.SecretSealed, o.Tenant, o.ID)
			if err != nil {
				r.Stuck = append(r.Stuck, StuckSecret{o.Tenant, o.ID, err})
				continue
			}
			sealed, err := s.seal(plain, o.Tenant, o.ID)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `update halosync.connections set secret_sealed = $3 where tenant = $1 and id = $2`, o.Tenant, o.ID, sealed); err != nil {
				return err
			}
			r.Sealed++
		}
		r.Done = len(old) < limit
		if n := len(old); n > 0 {
			r.Next = ResealCursor{old[n-1].Tenant, old[n-1].ID}
		}
		return nil
	})
	if err != nil {
		return Resealed{Next: after}, wrap("reseal", err)
	}
	return r, nil
}

type sealedSecret struct {
	Tenant       string
	ID           uuid.UUID
	SecretSealed []byte
}

// olderSecrets locks and returns secrets that begin with one of the prefixes.
func olderSecrets(ctx context.Context, tx pgx.Tx, prefixes [][]byte, after ResealCursor, limit int) ([]sealedSecret, error) {
	rows, err := tx.Query(ctx, `
		select tenant, id, secret_sealed from halosync.connections
		where substring(secret_sealed from 1 for $1) = any($2::bytea[]) and (tenant, id) > ($3, $4)
		order by tenant, id limit $5 for no key update skip locked`, secret.PrefixLen, prefixes, after.Tenant, after.ID, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[sealedSecret])
}

// Roles of keys that are not in the key set.
const (
	KeyMissing    secret.Role = "missing"    // the key is not in the set
	KeyUnreadable secret.Role = "unreadable" // the value was not written by halosync
)

// KeyUse is the number of stored secrets sealed with one key.
type KeyUse struct {
	ID      uint32 // 0 if the role is [KeyUnreadable]
	Role    secret.Role
	Secrets int
}

// KeyUses counts the stored secrets of all tenants by the key that sealed them. The
// keys of the set come first, oldest first, followed by unknown keys.
func (s *Store) KeyUses(ctx context.Context) ([]KeyUse, error) {
	if s.keys == nil {
		return nil, wrap("keys", errNoKeys)
	}
	type row struct {
		Head []byte
		N    int
	}
	rows, err := s.forAllTenants().Query(ctx, `
		select substring(secret_sealed from 1 for $1) as head, count(*) as n
		from halosync.connections group by 1`, secret.PrefixLen)
	if err != nil {
		return nil, wrap("keys", err)
	}
	heads, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, wrap("keys", err)
	}
	var uses []KeyUse
	for _, k := range s.keys.Keys() {
		uses = append(uses, KeyUse{ID: k.ID, Role: k.Role})
	}
	own := len(uses)
	for _, h := range heads {
		id, ok := secret.KeyOf(h.Head)
		role := KeyMissing
		if !ok {
			role = KeyUnreadable
		}
		i := slices.IndexFunc(uses, func(u KeyUse) bool { return u.ID == id && (u.Role == KeyUnreadable) == !ok })
		if i < 0 {
			i, uses = len(uses), append(uses, KeyUse{ID: id, Role: role})
		}
		uses[i].Secrets += h.N
	}
	slices.SortFunc(uses[own:], func(a, b KeyUse) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.ID, b.ID))
	})
	return uses, nil
}

// String names the connection and says why its secret cannot be decrypted.
func (s StuckSecret) String() string { return fmt.Sprintf("connection %s: %v", s.Connection, s.Err) }
