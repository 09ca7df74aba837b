// Package redistest gives each test an empty database on a Redis server that the
// test binary starts and stops.
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

// Main runs the tests for TestMain and exits. It fails if the tests leave a
// goroutine behind.
func Main(m *testing.M) {
	redis.SetLogger(quiet{})
	server, err := devstack.StartRedis(context.Background(), devstack.RedisOptions{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	kit.redis = server
	// After an outage, a closed pool of go-redis keeps a goroutine for up to a second.
	dial := goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")
	goleak.VerifyTestMain(m, dial, goleak.IgnoreCurrent(), goleak.Cleanup(func(code int) {
		if err := server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}))
}

// quiet discards go-redis's messages about outages, because tests cause outages on purpose.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// URL returns the URL of an empty database. Tests may run at the same time,
// because a database is reused only after all others.
func URL(tb testing.TB) string {
	tb.Helper()
	url := kit.redis.DatabaseURL(int(1 + kit.next.Add(1)%511))
	opts, err := redis.ParseURL(url)
	if err != nil {
		tb.Fatal(err)
	}
	rdb := redis.NewClient(opts)
	defer func() { _ = rdb.Close() }()
	if err := rdb.FlushDB(tb.Context()).Err(); err != nil {
		tb.Fatal(err)
	}
	return url
}

// Zero returns the URL of database 0, which [URL] never returns. It is for
// examples.
func Zero() string { return kit.redis.URL() }
