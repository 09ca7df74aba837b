package schema

import (
	"context"
	"io/fs"
)

// CheckNumbers is checkNumbers for the tests, which are outside the package because
// repotest imports it.
func CheckNumbers(migrations fs.FS) (int64, error) { return checkNumbers(migrations) }

// MigrateFS is [Migrate] with other migrations than the embedded ones.
func MigrateFS(ctx context.Context, url string, migrations fs.FS) (Result, error) {
	return migrate(ctx, url, migrations, 1)
}

// Embedded returns the migrations of the program.
func Embedded() fs.FS { return embedded }

// Floors returns the floor of the embedded migrations and the lowest one of a
// released schema.
func Floors() (ours, released int64) {
	ours, err := oldestProgram(embedded)
	if err != nil {
		panic(err)
	}
	return ours, baseline
}
