package schema

import (
	"context"
	"io/fs"
)

// CheckNumbers exports checkNumbers. The tests are outside the package because repotest
// imports it.
func CheckNumbers(migrations fs.FS) (int64, error) { return checkNumbers(migrations) }

// MigrateFS is [Migrate] with the given migrations instead of the embedded ones.
func MigrateFS(ctx context.Context, url string, migrations fs.FS) (Result, error) {
	return migrate(ctx, url, nil, migrations, 1)
}

// Embedded returns the migrations that are embedded in the program.
func Embedded() fs.FS { return embedded }

// Floors returns the floor of the embedded migrations and the lowest floor of a
// released schema.
func Floors() (ours, released int64) {
	ours, err := oldestProgram(embedded)
	if err != nil {
		panic(err)
	}
	return ours, baseline
}
