package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/internal/secret"
)

// Before schema 15, the sealed values of a connection were bound only to its row. An
// attacker who changed the addresses in the row therefore received the secret. The
// migration contains the line
//
//	-- halosync:bind-secrets
//
// Before it applies the migration, [MigrateWith] reseals the stored values with a
// [secret.Binding]. No other code opens values of the older form. If a program
// accepted them, an attacker could copy a value from a backup into a row with another
// address. The migration has to trust the addresses in the rows, as earlier programs
// did.
var bindLine = regexp.MustCompile(`(?m)^-- halosync:bind-secrets\s*$`)

// bindsSecrets reports whether one of the migrations after version contains the line.
func bindsSecrets(migrations fs.FS, version int64) (bool, error) {
	return anyAfter(migrations, version, bindLine)
}

// KeysError reports that a migration cannot reseal stored credentials. The migration
// has changed nothing.
type KeysError struct {
	Connections int    // number of connections
	Missing     uint32 // a key that is not in the key set; 0: there is no key set
}

func (e *KeysError) Error() string {
	if e.Missing != 0 {
		return fmt.Sprintf("this migration reseals the stored credentials, and some are sealed with key %d, which is not in the key set: "+
			"set HALOSYNC_KEYSET to the newest key set for this command", e.Missing)
	}
	return fmt.Sprintf("this migration reseals the credentials of %d connections, so that they open only for their addresses: "+
		"set HALOSYNC_KEYSET for this command, once", e.Connections)
}

// boundRow is a connection with its sealed values.
type boundRow struct {
	ID                                       uuid.UUID
	Tenant                                   string
	AuthServer, Domain, ClientID, HaloTenant string
	HeaderName                               string
	SecretSealed, HeaderSealed               []byte
}

// bindSecrets reseals all credentials in one transaction. It leaves values unchanged
// that already have the new form because an earlier migration was interrupted. It also
// leaves values that do not open, because no program can use them; the result
// unreadable lists their connections.
func bindSecrets(ctx context.Context, cfg *pgx.ConnConfig, keys *secret.Keyset) (sealed int, unreadable []uuid.UUID, err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// A schema older than 12 has no columns for the header.
		rows, err := tx.Query(ctx, `
			select id, tenant, auth_server, domain, client_id, halo_tenant, secret_sealed,
				coalesce(to_jsonb(c)->>'header_name', '') as header_name,
				decode(substr(to_jsonb(c)->>'header_sealed', 3), 'hex') as header_sealed
			from halosync.connections c order by tenant, id for update`)
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByName[boundRow])
		if err != nil {
			return err
		}
		if keys == nil && len(all) > 0 {
			return &KeysError{Connections: len(all)}
		}
		for _, row := range all {
			n, err := bindRow(ctx, tx, keys, row)
			sealed += n
			switch {
			case errors.Is(err, secret.ErrOpen) && !errors.Is(err, secret.ErrUnknownKey):
				unreadable = append(unreadable, row.ID)
			case err != nil:
				return err
			}
		}
		return nil
	})
	return sealed, unreadable, err
}

// bindRow reseals the values of one connection and returns how many it resealed. If
// one of the two values does not open, bindRow reseals the other one and returns a
// [secret.ErrOpen].
func bindRow(ctx context.Context, tx pgx.Tx, keys *secret.Keyset, row boundRow) (sealed int, err error) {
	binding := secret.Binding{
		Tenant: row.Tenant, Connection: row.ID.String(), AuthServer: row.AuthServer, Domain: row.Domain,
		ClientID: row.ClientID, HaloTenant: row.HaloTenant, HeaderName: row.HeaderName,
	}
	var closed error
	for _, v := range []struct {
		column string
		old    []byte
		aad    []string
		update string
	}{
		{
			"connections.secret_sealed", row.SecretSealed, binding.ClientSecret(),
			`update halosync.connections set secret_sealed = $3 where tenant = $1 and id = $2`,
		},
		{
			"connections.header_sealed", row.HeaderSealed, binding.HeaderValue(),
			`update halosync.connections set header_sealed = $3 where tenant = $1 and id = $2`,
		},
	} {
		if v.old == nil {
			continue
		}
		if _, err := keys.Open(v.old, v.aad...); err == nil {
			continue
		}
		plain, err := keys.Open(v.old, row.Tenant, row.ID.String(), v.column)
		if errors.Is(err, secret.ErrUnknownKey) {
			id, _ := secret.KeyOf(v.old)
			return sealed, &KeysError{Missing: id}
		}
		if err != nil {
			closed = err
			continue
		}
		fresh, err := keys.Seal(plain, v.aad...)
		if err != nil {
			return sealed, err
		}
		if _, err := tx.Exec(ctx, v.update, row.Tenant, row.ID, fresh); err != nil {
			return sealed, err
		}
		sealed++
	}
	return sealed, closed
}
