package schema

import (
	"context"
	"errors"
	"io/fs"
	"regexp"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/internal/names"
)

// Companies are stored with their normalised names, which imports compare. A migration
// for a change to [names.Normalise] contains the line
//
//	-- halosync:normalise-names
//
// [Migrate] then normalises the stored names again, before it applies the migration. If
// it is interrupted, the migration is still pending, and the next call starts over.
// Such a migration does not name an older program with halosync:oldest-program, because
// that program would continue to store names in the old form.
var normaliseLine = regexp.MustCompile(`(?m)^-- halosync:normalise-names\s*$`)

// namesPage is the number of companies that are read at a time.
const namesPage = 5000

// normalisesNames reports whether one of the migrations after version contains the line.
func normalisesNames(migrations fs.FS, version int64) (bool, error) {
	return anyAfter(migrations, version, normaliseLine)
}

// normaliseNames normalises the names of all companies again and stores those that
// differ. It reads only names with characters outside ASCII, because the normalised form
// of the others has never changed. A name that is now empty, such as one of invisible
// characters only, keeps its old form: the column cannot be empty.
//
// Each page is written in its own transaction, on a connection that holds no lock when
// the migrations run.
func normaliseNames(ctx context.Context, cfg *pgx.ConnConfig) (err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	type company struct {
		Tenant, Name, Norm string
		ID                 uuid.UUID
	}
	var last company
	for {
		rows, err := conn.Query(ctx, `
			select tenant, id, name, norm_name as norm from halosync.companies
			where (tenant, id) > ($1, $2) and octet_length(name) <> length(name) order by tenant, id limit $3`, last.Tenant, last.ID, namesPage)
		if err != nil {
			return err
		}
		page, err := pgx.CollectRows(rows, pgx.RowToStructByName[company])
		if err != nil || len(page) == 0 {
			return err
		}
		var changed struct {
			tenants, norms []string
			ids            []uuid.UUID
		}
		for _, c := range page {
			if norm := names.Normalise(c.Name); norm != c.Norm && norm != "" {
				changed.tenants, changed.ids, changed.norms = append(changed.tenants, c.Tenant), append(changed.ids, c.ID), append(changed.norms, norm)
			}
		}
		if _, err := conn.Exec(ctx, `
			update halosync.companies c set norm_name = n.norm from unnest($1::text[], $2::uuid[], $3::text[]) as n(tenant, id, norm)
			where c.tenant = n.tenant and c.id = n.id`, changed.tenants, changed.ids, changed.norms); err != nil {
			return err
		}
		last = page[len(page)-1]
	}
}
