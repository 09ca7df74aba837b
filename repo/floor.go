package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The floor of a schema is the version of the oldest program that works with
// it. Programs are known by the schema that they were written for. It lets the
// workers of one release go on while those of the next come up: the schema is
// migrated first, and a migration says how far back it can be understood, in a
// line of its file:
//
//	-- halosync:oldest-program 7
//
// Such a migration only adds what an older program need not know of: columns
// with defaults, tables, indexes, wider checks. One without the line is
// understood by its own release alone.
const (
	createFloor = `create table if not exists halosync.schema_floor (
		one boolean primary key default true check (one), floor bigint not null)`
	raiseFloor = `insert into halosync.schema_floor as f (floor) values ($1)
		on conflict (one) do update set floor = excluded.floor where f.floor < excluded.floor`
)

var floorLine = regexp.MustCompile(`(?m)^-- halosync:oldest-program (\d{1,9})\s*$`)

// oldestProgram is the floor of the schema after all migrations: the highest
// of what any of them says.
func oldestProgram(migrations fs.FS) (floor int64, err error) {
	names, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(migrations, name)
		if err != nil {
			return 0, err
		}
		number, err := strconv.ParseInt(migrationName.FindStringSubmatch(name)[1], 10, 64)
		if err != nil {
			return 0, err
		}
		oldest := number
		if line := floorLine.FindSubmatch(text); line != nil {
			if oldest, err = strconv.ParseInt(string(line[1]), 10, 64); err != nil {
				return 0, err
			}
			if oldest < 1 || oldest > number {
				return 0, fmt.Errorf("migrations: %s: oldest-program is %d, want 1 to %d", name, oldest, number)
			}
		}
		floor = max(floor, oldest)
	}
	return floor, nil
}

// fit returns a [*SchemaError] as fits unless a program of version want works
// with the schema of version have.
func fit(ctx context.Context, q querier, have, want int64) (fits, err error) {
	switch {
	case have < want:
		return &SchemaError{Have: have, Want: want}, nil
	case have == want:
		return nil, nil
	}
	var floor int64
	err = q.QueryRow(ctx, `select floor from halosync.schema_floor`).Scan(&floor)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == "42P01", errors.Is(err, pgx.ErrNoRows):
		floor = have // nobody has promised anything
	case err != nil:
		return nil, err
	}
	if floor > want {
		return &SchemaError{Have: have, Want: want, Floor: floor}, nil
	}
	return nil, nil
}
