package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"

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

// baseline is the version of the first release's schema. Its migrations name no
// oldest program, so the floor of every released schema is at least as high. The
// schemas before it had floors of up to 7.
const baseline = 9

// schemaState is what the database says about its schema.
type schemaState struct {
	version int64 // the newest migration that was applied; 0: none
	floor   int64 // 0: not stored
}

// readState reads the version and the floor; both are zero if the database has
// no schema.
func readState(ctx context.Context, q querier) (state schemaState, err error) {
	err = q.QueryRow(ctx, `
		select coalesce(max(version_id), 0), coalesce((select max(floor) from halosync.schema_floor), 0)
		from halosync.schema_versions where is_applied`).Scan(&state.version, &state.floor)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "42P01" || pg.Code == "3F000") { // no such table, no such schema
		return schemaState{}, nil
	}
	return state, err
}

// unreleased reports whether the schema is from before the first release.
func (s schemaState) unreleased(oldest int64) bool { return s.version > 0 && s.floor < oldest }

// check returns a [*SchemaError] unless a program of version want works with the
// schema. oldest is the lowest floor of a released schema.
func (s schemaState) check(want, oldest int64) error {
	switch {
	case s.unreleased(oldest):
		return &SchemaError{Have: s.version, Want: want, Unreleased: true}
	case s.version < want:
		return &SchemaError{Have: s.version, Want: want}
	case s.version > want && s.floor > want:
		return &SchemaError{Have: s.version, Want: want, Floor: s.floor}
	}
	return nil
}
