package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo/internal/scoped"
)

// versionTable is the table in which goose records the applied migrations.
const versionTable = "halosync.schema_versions"

// Result reports what [Migrate] did. If the fields From and To are equal, no migration was
// pending.
type Result struct {
	From, To int64 // schema versions; 0 is an empty database

	Sealed     int         // credentials that a migration resealed
	Unreadable []uuid.UUID // connections with a credential that did not open and was left unchanged
}

// Migrate brings the schema up to the program's version. Several processes may call it
// at once: one migrates while the others wait. It does not change a database that is
// newer than the program. If the program cannot work with that database, the error is
// an [*Error]. It refuses a database whose encoding is not UTF8 with an
// [*EncodingError], and creates nothing in it. If a migration fails, the migrations
// before it remain applied.
func Migrate(ctx context.Context, url string) (Result, error) {
	return MigrateWith(ctx, url, nil)
}

// MigrateWith is like [Migrate] with a key set, which may be nil. If a migration must
// reseal stored credentials and keys is nil, the error is a [*KeysError].
func MigrateWith(ctx context.Context, url string, keys *secret.Keyset) (Result, error) {
	return migrate(ctx, url, keys, embedded, baseline)
}

// migrate applies migrations. The argument called oldest is the lowest schema floor from
// which they can start.
func migrate(ctx context.Context, url string, keys *secret.Keyset, migrations fs.FS, oldest int64) (res Result, err error) {
	want, err := checkNumbers(migrations)
	if err != nil {
		return res, err
	}
	floor, err := oldestProgram(migrations)
	if err != nil {
		return res, err
	}
	cfg, err := scoped.ParseConfig(url)
	if err != nil {
		return res, err
	}
	db := stdlib.OpenDB(*cfg)
	defer func() { err = errors.Join(err, db.Close()) }()

	s, err := prepare(ctx, cfg, want, floor, oldest)
	if err != nil {
		return res, wrap("schema version", err)
	}
	res.From, res.To = s.version, s.version
	if s.version >= want || s.unreleased(oldest) {
		return res, s.check(want, oldest) // without waiting for the lock
	}
	stale, err := normalisesNames(migrations, s.version)
	if err != nil {
		return res, err
	}
	unbound, err := bindsSecrets(migrations, s.version)
	if err != nil {
		return res, err
	}
	err = alone(ctx, cfg, func() error {
		if stale && s.version > 0 {
			if err := normaliseNames(ctx, cfg); err != nil {
				return fmt.Errorf("normalise names: %w", err)
			}
		}
		if unbound && s.version > 0 {
			if res.Sealed, res.Unreadable, err = bindSecrets(ctx, cfg, keys); err != nil {
				return fmt.Errorf("reseal credentials: %w", err)
			}
		}
		return apply(ctx, db, migrations)
	})
	if err != nil {
		return res, fmt.Errorf("migrate: %w", err)
	}
	res.To = want
	return res, nil
}

// prepare creates the schema, which also contains goose's table, and reads the schema's
// state. It raises the floor before any migration, so that every released schema has a
// floor. It takes a lock because concurrent "if not exists" statements can fail.
func prepare(ctx context.Context, cfg *pgx.ConnConfig, want, floor, oldest int64) (s state, err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()

	if err := checkEncoding(ctx, conn); err != nil {
		return s, err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, sql := range []string{
			`select pg_advisory_xact_lock(hashtextextended('halosync schema', 0))`,
			`create schema if not exists halosync`, createFloor,
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return s, err
	}
	if s, err = read(ctx, conn); err != nil || s.version > want || s.unreleased(oldest) {
		return s, err
	}
	_, err = conn.Exec(ctx, raiseFloor, floor)
	return s, err
}

// alone runs f under a lock that all processes share, and waits up to five minutes for
// the lock. The lock belongs to a transaction, because goose's own lock belongs to a
// session, and a pooler may lend that session to another client at any time.
func alone(ctx context.Context, cfg *pgx.ConnConfig, f func() error) (err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, sql := range []string{
			`set local lock_timeout = '5min'`, `set local idle_in_transaction_session_timeout = 0`,
			`select pg_advisory_xact_lock(hashtextextended('halosync migrations', 0))`,
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return f()
	})
}

// apply applies the pending migrations.
func apply(ctx context.Context, db *sql.DB, migrations fs.FS) error {
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations,
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// migrationName matches the name of a migration's file: four digits and a subject.
var migrationName = regexp.MustCompile(`^(\d{4})_[a-z0-9_]+\.sql$`)

// checkNumbers returns the newest version. The numbers must start at 1 and have no gaps
// or duplicates, which a merge of two branches can introduce.
func checkNumbers(migrations fs.FS) (int64, error) {
	entries, err := fs.ReadDir(migrations, ".")
	if err != nil {
		return 0, fmt.Errorf("migrations: %w", err)
	}
	var numbers []int64
	for _, e := range entries {
		match := migrationName.FindStringSubmatch(e.Name())
		if match == nil {
			return 0, fmt.Errorf("migrations: %s: want a name like 0001_what.sql", e.Name())
		}
		n, err := strconv.ParseInt(match[1], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("migrations: %s: %w", e.Name(), err)
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		switch want := int64(i + 1); {
		case n > want:
			return 0, fmt.Errorf("migrations: number %04d is missing", want)
		case n < want && n == 0:
			return 0, fmt.Errorf("migrations: number %04d: numbers begin with 0001", n)
		case n < want:
			return 0, fmt.Errorf("migrations: number %04d is used twice", n)
		}
	}
	if len(numbers) == 0 {
		return 0, errors.New("migrations: no files")
	}
	return numbers[len(numbers)-1], nil
}
