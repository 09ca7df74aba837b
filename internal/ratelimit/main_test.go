package ratelimit

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/halosync/halosync/internal/devstack/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

func connect(tb testing.TB, url string) redis.UniversalClient {
	tb.Helper()
	opts, err := redis.ParseURL(url)
	if err != nil {
		tb.Fatal(err)
	}
	opts.ContextTimeoutEnabled = true
	rdb := redis.NewClient(opts)
	tb.Cleanup(func() { _ = rdb.Close() }) // an error here is harmless
	return rdb
}

// database returns a client for an empty database.
func database(tb testing.TB) redis.UniversalClient {
	tb.Helper()
	return connect(tb, redistest.URL(tb))
}

// bench is a store with a clock that the test controls.
type bench struct {
	store
	t     *testing.T
	now   int64
	clock func(int64) // sets the store's clock
	flush func()      // deletes all data
	// learned returns the part of the state that a 429 changes.
	learned func() [5]int64
}

// on runs a test with both stores.
func on(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Run("memory", func(t *testing.T) { t.Parallel(); test(t, inMemory(t)) })
	t.Run("redis", func(t *testing.T) { t.Parallel(); test(t, inRedis(t)) })
}

// dawn is the start time of the tests. Lossy number formatting would change some of its
// digits.
var dawn = time.Date(2026, 7, 1, 12, 0, 0, 123_457_000, time.UTC).UnixMicro()

func inMemory(t *testing.T) *bench {
	m := newMemory()
	b := &bench{store: m, t: t, now: dawn}
	m.now = func() int64 { return b.now }
	b.clock = func(int64) {}
	b.flush = func() { clear(m.states) }
	b.learned = func() [5]int64 {
		s := m.state("halo")
		return [5]int64{s.epoch, s.pause, s.learned, s.cut, s.calm}
	}
	return b
}

// inRedis returns a bench that uses Redis. It replaces the line in the scripts that reads
// Redis' clock.
func inRedis(t *testing.T) *bench {
	const clockKey = "test-clock"
	rdb := database(t)
	moved := func(source string) *redis.Script {
		text := strings.ReplaceAll(source, "redis.call('TIME')", "redis.call('LRANGE', '"+clockKey+"', 0, 1)")
		if text == source {
			t.Fatal("the script has no line that reads the clock")
		}
		return redis.NewScript(text)
	}
	b := &bench{store: redisStore{rdb, moved(askSource), moved(throttledSource)}, t: t, now: dawn}
	b.clock = func(now int64) {
		pipe := rdb.TxPipeline()
		pipe.Del(t.Context(), clockKey)
		pipe.RPush(t.Context(), clockKey, now/1e6, now%1e6)
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b.learned = func() (all [5]int64) {
		for i, field := range []string{"epoch", "pause", "learned", "cut", "calm"} {
			n, err := rdb.HGet(t.Context(), keys("halo")[0], field).Int64()
			if err != nil && !errors.Is(err, redis.Nil) {
				t.Fatal(err)
			}
			all[i] = n
		}
		return all
	}
	b.flush = func() {
		if err := rdb.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		b.clock(b.now)
	}
	b.clock(b.now)
	return b
}

// advance moves the clock forward or backward.
func (b *bench) advance(d time.Duration) {
	b.now += d.Microseconds()
	b.clock(b.now)
}

func (b *bench) must(c call) answer {
	b.t.Helper()
	got, err := b.ask(b.t.Context(), "halo", c)
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

// strike reports a 429 for a request of the given age.
func (b *bench) strike(age, window, pause time.Duration) bool {
	b.t.Helper()
	lowered, err := b.throttled(b.t.Context(), "halo", age.Microseconds(), window.Microseconds(), pause.Microseconds())
	if err != nil {
		b.t.Fatal(err)
	}
	return lowered
}
