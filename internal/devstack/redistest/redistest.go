// Package redistest gives each test an empty database on a Redis that its test
// binary starts and stops.
package redistest

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/halosync/halosync/internal/devstack"
)

// kit is the Redis of this test binary.
var kit struct {
	redis *devstack.Redis
	next  atomic.Int64
}

// Main is for TestMain: it runs the tests, which must leave no goroutine
// behind, and exits.
func Main(m *testing.M) {
	redis.SetLogger(quiet{})
	server, err := devstack.StartRedis(context.Background(), devstack.RedisOptions{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	kit.redis = server
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), goleak.Cleanup(func(code int) {
		if err := server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}))
}

// quiet keeps go-redis' reports of the outages that tests make out of stderr.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// URL is that of an empty database, for tests that run at the same time: after
// 511 others it is given out once more.
func URL(tb testing.TB) string {
	tb.Helper()
	url := kit.redis.DatabaseURL(int(1 + kit.next.Add(1)%511))
	opts, err := redis.ParseURL(url)
	if err != nil {
		tb.Fatal(err)
	}
	rdb := redis.NewClient(opts)
	defer func() { _ = rdb.Close() }() // nothing was promised by it
	if err := rdb.FlushDB(tb.Context()).Err(); err != nil {
		tb.Fatal(err)
	}
	return url
}

// Zero is the URL of the database that [URL] never gives out, for examples.
func Zero() string { return kit.redis.URL() }
