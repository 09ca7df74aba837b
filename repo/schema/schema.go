// Package schema creates and checks halosync's schema in Postgres. It contains the
// migrations, decides which program versions work with a schema, and grants rights to the
// programs' role. The migrations are the SQL files in the same directory.
package schema

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/halosync/halosync/repo/internal/scoped"
)

//go:embed *.sql
var embedded embed.FS

// baseline is the version of the first release's schema. Its migrations name no oldest
// program, so every released schema has at least this floor. Earlier schemas have
// floors of up to 7.
const baseline = 9

// A program's version is the version of the schema that it was written for. The floor
// of a schema is the version of the oldest program that works with the schema. The
// floor lets workers of one release continue after the schema has been migrated for the
// next release. A migration names its floor in a line of its file:
//
//	-- halosync:oldest-program 9
//
// Such a migration may only add what an older program can ignore: columns with
// defaults, tables, indexes, wider checks. Without the line, older programs do not work
// with the schema.
const (
	createFloor = `create table if not exists halosync.schema_floor (
		one boolean primary key default true check (one), floor bigint not null)`
	raiseFloor = `insert into halosync.schema_floor as f (floor) values ($1)
		on conflict (one) do update set floor = excluded.floor where f.floor < excluded.floor`
)

var floorLine = regexp.MustCompile(`(?m)^-- halosync:oldest-program (\d{1,9})\s*$`)

// Error reports a schema that this program does not work with.
type Error struct {
	Have, Want int64 // versions; 0 is an empty database
	// Floor is the version of the oldest program that works with a newer schema.
	Floor int64
	// Unreleased is true for a schema from before the first release, which no migration
	// can upgrade.
	Unreleased bool
}

func (e *Error) Error() string {
	if e.Unreleased {
		return "this database has a schema from before the first release; create a new database"
	}
	if e.Newer() {
		return fmt.Sprintf("database schema %d is newer than this program's %d and requires program %d or later: run a newer program", e.Have, e.Want, e.Floor)
	}
	return fmt.Sprintf("database schema %d is older than this program's %d: run \"worker migrate\"", e.Have, e.Want)
}

// Newer reports whether the schema is from a later release than the program.
func (e *Error) Newer() bool { return !e.Unreleased && e.Have > e.Want }

// querier is the common interface of a pool, a connection and a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Version returns the schema version that this program was written for. It counts the
// embedded files; a test checks that their numbers have no gaps.
func Version() int64 {
	names, err := fs.Glob(embedded, "*.sql")
	if err != nil {
		return 0
	}
	return int64(len(names))
}

// Applied returns the version of the database's schema, or 0 if it has none.
func Applied(ctx context.Context, q querier) (int64, error) {
	s, err := read(ctx, q)
	return s.version, err
}

// Check returns an [*Error] unless this program works with the database's schema. The
// schema must have the program's version, or a later version whose floor allows this
// program. If the database's encoding is not UTF8, the error is an [*EncodingError].
func Check(ctx context.Context, q querier) error {
	if err := checkEncoding(ctx, q); err != nil {
		return wrap("encoding", err)
	}
	s, err := read(ctx, q)
	if err != nil {
		return wrap("schema version", err)
	}
	return s.check(Version(), baseline)
}

// state is the version information that a database stores about its schema.
type state struct {
	version int64 // the newest applied migration; 0: none
	floor   int64 // 0: not stored
}

// read reads the version and the floor; both are zero if the database has no schema.
func read(ctx context.Context, q querier) (s state, err error) {
	err = q.QueryRow(ctx, `
		select coalesce(max(version_id), 0), coalesce((select max(floor) from halosync.schema_floor), 0)
		from halosync.schema_versions where is_applied`).Scan(&s.version, &s.floor)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "42P01" || pg.Code == "3F000") { // no such table, no such schema
		return state{}, nil
	}
	return s, err
}

// unreleased reports whether the schema dates from before the first release. The parameter
// called oldest is the lowest floor of any released schema.
func (s state) unreleased(oldest int64) bool { return s.version > 0 && s.floor < oldest }

// check returns an [*Error] unless a program of version want works with the schema.
func (s state) check(want, oldest int64) error {
	switch {
	case s.unreleased(oldest):
		return &Error{Have: s.version, Want: want, Unreleased: true}
	case s.version < want:
		return &Error{Have: s.version, Want: want}
	case s.version > want && s.floor > want:
		return &Error{Have: s.version, Want: want, Floor: s.floor}
	}
	return nil
}

// oldestProgram returns the schema's floor after all migrations: the highest floor of
// any migration.
func oldestProgram(migrations fs.FS) (floor int64, err error) {
	err = eachMigration(migrations, func(number int64, text []byte) error {
		oldest := number
		if line := floorLine.FindSubmatch(text); line != nil {
			if oldest, err = strconv.ParseInt(string(line[1]), 10, 64); err != nil {
				return err
			}
			if oldest < 1 || oldest > number {
				return fmt.Errorf("migrations: number %04d: oldest-program is %d, want 1 to %d", number, oldest, number)
			}
		}
		floor = max(floor, oldest)
		return nil
	})
	return floor, err
}

// eachMigration calls f with the number and the text of each migration.
func eachMigration(migrations fs.FS, f func(number int64, text []byte) error) error {
	files, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := fs.ReadFile(migrations, file)
		if err != nil {
			return err
		}
		number, err := strconv.ParseInt(migrationName.FindStringSubmatch(file)[1], 10, 64)
		if err != nil {
			return err
		}
		if err := f(number, text); err != nil {
			return err
		}
	}
	return nil
}

// anyAfter reports whether one of the migrations after version contains a line.
func anyAfter(migrations fs.FS, version int64, line *regexp.Regexp) (found bool, err error) {
	err = eachMigration(migrations, func(number int64, text []byte) error {
		found = found || number > version && line.Match(text)
		return nil
	})
	return found, err
}

// wrap adds the name of the failed operation to an error. It returns nil if err is nil.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, scoped.Explain(err))
}
