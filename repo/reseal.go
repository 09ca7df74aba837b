package repo

import (
	"bytes"
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

// StuckSecret is a connection's secret, or the value of its header, that cannot be
// decrypted.
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

// ResealSecrets finds up to limit connections, of all tenants and after a cursor, that have
// a value sealed with an older key: the client secret or the header's value. It reseals
// these values with the primary key. It skips secrets whose key is newer or not in the set.
// Several processes may call it at once; each skips the rows that another process has
// locked.
func (s *Store) ResealSecrets(ctx context.Context, after ResealCursor, limit int) (r Resealed, err error) {
	if s.keys == nil {
		return Resealed{}, wrap("reseal", errNoKeys)
	}
	err = s.forAllTenants().InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		r = Resealed{Next: after}
		prefixes := s.keys.OlderPrefixes()
		old, err := s.olderCredentials(ctx, tx, prefixes, after, limit)
		if err != nil {
			return err
		}
		for _, o := range old {
			if err := s.reseal(ctx, tx, o, prefixes, &r); err != nil {
				return err
			}
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

// reseal seals the values of a connection that begin with one of the prefixes. A resealed
// value is bound to the same addresses as before.
func (s *Store) reseal(ctx context.Context, tx pgx.Tx, c Credentials, prefixes [][]byte, r *Resealed) error {
	var fresh sealedChange
	for _, v := range []struct {
		old     []byte
		open    func() (secret.String, error)
		binding []string
		fresh   *[]byte
	}{
		{c.sealed.SecretSealed, c.Secret, c.binding().ClientSecret(), &fresh.secret},
		{c.sealed.HeaderSealed, c.HeaderValue, c.binding().HeaderValue(), &fresh.header},
	} {
		if !slices.ContainsFunc(prefixes, func(p []byte) bool { return bytes.HasPrefix(v.old, p) }) {
			continue
		}
		plain, err := v.open()
		if err != nil {
			r.Stuck = append(r.Stuck, StuckSecret{c.Tenant, c.ID, err})
			continue
		}
		if *v.fresh, err = sealValue(s.keys, plain, v.binding); err != nil {
			return err
		}
		r.Sealed++
	}
	if fresh.unchanged() {
		return nil
	}
	_, err := tx.Exec(ctx, `
		update halosync.connections set secret_sealed = coalesce($3, secret_sealed), header_sealed = coalesce($4, header_sealed)
		where tenant = $1 and id = $2`, c.Tenant, c.ID, fresh.secret, fresh.header)
	return err
}

// olderCredentials locks and returns connections with a sealed value that begins with
// one of the prefixes. It reads only what the values are bound to.
func (s *Store) olderCredentials(ctx context.Context, tx pgx.Tx, prefixes [][]byte, after ResealCursor, limit int) ([]Credentials, error) {
	rows, err := tx.Query(ctx, `
		select tenant, id, auth_server, domain, client_id, halo_tenant, header_name, secret_sealed, header_sealed from halosync.connections
		where (substring(secret_sealed from 1 for $1) = any($2::bytea[]) or substring(header_sealed from 1 for $1) = any($2::bytea[]))
			and (tenant, id) > ($3, $4)
		order by tenant, id limit $5 for no key update skip locked`, secret.PrefixLen, prefixes, after.Tenant, after.ID, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Credentials, error) {
		found, err := pgx.RowToStructByNameLax[credentialsRow](row)
		return Credentials{found.Connection, found.sealedValues, s.keys}, err
	})
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
		select substring(v.sealed from 1 for $1) as head, count(*) as n
		from halosync.connections c, lateral (values (c.secret_sealed), (c.header_sealed)) v (sealed)
		where v.sealed is not null group by 1`, secret.PrefixLen)
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
