package repotest

import (
	"errors"
	"net/url"
	"path"
	"testing"

	"github.com/halosync/halosync/internal/devstack"
)

// Pooled puts a pooler in transaction mode in front of a database until the end of the
// test. It returns a function that returns the pooler's address for the same role and
// database, with additional URL options. If the pooler is not installed, Pooled skips
// the test.
func Pooled(tb testing.TB, address string) func(options url.Values) string {
	tb.Helper()
	u, err := url.Parse(address)
	if err != nil {
		tb.Fatal(err)
	}
	bouncer, err := devstack.StartBouncer(tb.Context(), u.Query().Get("host"), "postgres", workerRole)
	var missing *devstack.MissingError
	if errors.As(err, &missing) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := bouncer.Close(); err != nil {
			tb.Error(err)
		}
	})
	name := path.Base(u.Path)
	name = name[:min(len(name), 63)] // Postgres would truncate it anyway
	return func(options url.Values) string { return bouncer.DatabaseURL(u.User.Username(), name, options) }
}
