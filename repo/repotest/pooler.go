package repotest

import (
	"errors"
	"net/url"
	"path"
	"testing"

	"github.com/halosync/halosync/internal/devstack"
)

// Pooled puts a pooler in transaction mode in front of a database until the
// test's end and returns how to address it there, as the same role, with further
// options of the URL. Without the pooler on the machine the test is skipped.
func Pooled(tb testing.TB, address string) func(options url.Values) string {
	tb.Helper()
	u, err := url.Parse(address)
	if err != nil {
		tb.Fatal(err)
	}
	bouncer, err := devstack.StartBouncer(tb.Context(), u.Query().Get("host"), "postgres", weak)
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
	name = name[:min(len(name), 63)] // Postgres cuts it by itself
	return func(options url.Values) string { return bouncer.DatabaseURL(u.User.Username(), name, options) }
}
