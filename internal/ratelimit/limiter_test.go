package ratelimit

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/sleep"
)

// seen collects the events of a limiter.
type seen struct {
	mu     sync.Mutex
	events []Event
}

func (s *seen) observe(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

func (s *seen) count(kind EventKind, alone bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Kind == kind && e.Local == alone {
			n++
		}
	}
	return n
}

// sent collects the send times of requests.
type sent struct {
	mu    sync.Mutex
	times []int64
}

func (s *sent) now() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, time.Now().UnixMicro())
}

// The map turns counts the turns that Redis has granted, by the epoch of Redis' state and
// by time.
type turns map[string]map[int64]int

// read adds the turns that Redis has now. It counts turns rather than requests, because a
// busy machine may send a request later than its turn.
func (t turns) read(ctx context.Context, rdb redis.UniversalClient) error {
	var epoch *redis.StringCmd
	var logs [2]*redis.StringSliceCmd
	_, err := rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		epoch = p.HGet(ctx, keys("halo")[0], "epoch")
		logs[0], logs[1] = p.LRange(ctx, keys("halo")[1], 0, -1), p.LRange(ctx, keys("halo")[2], 0, -1)
		return nil
	})
	if errors.Is(err, redis.Nil) {
		return nil // flushed, and not used since
	}
	if err != nil {
		return err
	}
	now := map[int64]int{}
	for _, text := range append(logs[0].Val(), logs[1].Val()...) {
		at, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		now[at]++
	}
	if t[epoch.Val()] == nil {
		t[epoch.Val()] = map[int64]int{}
	}
	for at, n := range now {
		t[epoch.Val()][at] = max(t[epoch.Val()][at], n)
	}
	return nil
}

// fullest returns the number of turns in the fullest window of all epochs.
func (t turns) fullest(window time.Duration) (most int) {
	for _, counts := range t {
		var times []int64
		for at, n := range counts {
			times = append(times, slices.Repeat([]int64{at}, n)...)
		}
		most = max(most, maxInWindow(times, window))
	}
	return most
}

// Without Redis, a process stays within its share in every window.
func TestLocalShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, rate, requests := New(Options{MaxWait: time.Hour}), Rate{1000, time.Minute}, sent{}
		for range 450 {
			if err := l.Wait(t.Context(), "a", rate.String(), Background); err != nil {
				t.Fatal(err)
			}
			requests.now()
		}
		if n := maxInWindow(requests.times, rate.Per); n > 100 {
			t.Errorf("%d requests in a minute, want a tenth of the rate", n)
		}
		if spent := requests.times[449] - requests.times[0]; spent > (5 * time.Minute).Microseconds() {
			t.Errorf("450 requests took %v, so part of the share is unused", time.Duration(spent)*time.Microsecond)
		}
		if err := l.Wait(t.Context(), "b", rate.String(), Background); err != nil {
			t.Errorf("another instance: %v", err)
		}
	})
}

// If the wait would be too long, the error contains the time until the next attempt.
func TestWaitRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var events seen
		l, rate := New(Options{Observe: events.observe}), Rate{10, time.Hour}
		if err := l.Wait(t.Context(), "a", rate.String(), Background); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var budget *BudgetError
		if err := l.Wait(t.Context(), "a", rate.String(), Background); !errors.As(err, &budget) || budget.After < 50*time.Minute || budget.After > time.Hour+time.Second {
			t.Errorf("%v, want an hour", err)
		}
		if time.Since(began) != 0 {
			t.Errorf("the refusal took %v, want it at once", time.Since(began))
		}
		if g, r := events.count(Granted, true), events.count(Refused, false); g != 1 || r != 1 {
			t.Errorf("%d granted, %d refused", g, r)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := New(Options{MaxWait: 2 * time.Hour}).Wait(ctx, "b", rate.String(), Background); err != nil {
			t.Error(err)
		}
		l.Throttled("c", rate.String(), time.Now(), 4*time.Second)
		if err := l.Wait(ctx, "c", rate.String(), Interactive); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the context's error", err)
		}
		if events.count(Throttled, false) != 1 || events.count(Lowered, false) != 1 {
			t.Errorf("%+v", events.events)
		}
	})
}

// Limiters of several processes share a Redis that loses all data during the test. No
// window holds more requests than the limit, and the requests continue in the next
// window. TestFourWorkersShareOneBudget measures how much of the budget is used and how
// long people wait.
func TestFleetKeepsTheBudget(t *testing.T) {
	t.Parallel()
	for name, flush := range map[string]bool{"quiet": false, "flushed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb := database(t)
			const per, length = 4 * time.Second, 14 * time.Second
			rate := Rate{200, per}
			var requests, people sent
			granted := turns{}
			ctx, cancel := context.WithTimeout(t.Context(), length)
			defer cancel()
			began := time.Now()
			var running sync.WaitGroup
			for range 4 {
				l := New(Options{Redis: rdb, MaxWait: time.Hour})
				for range 5 {
					running.Go(func() {
						for l.Wait(ctx, "halo", rate.String(), Background) == nil {
							requests.now()
						}
					})
				}
			}
			running.Go(func() {
				l := New(Options{Redis: rdb})
				for sleep.For(ctx, 750*time.Millisecond) == nil {
					if err := l.Wait(ctx, "halo", rate.String(), Interactive); err == nil {
						requests.now()
						people.now()
					}
				}
			})
			for flushAt := began.Add(5 * time.Second); sleep.For(ctx, 200*time.Millisecond) == nil; {
				if err := granted.read(t.Context(), rdb); err != nil {
					t.Fatal(err)
				}
				if flush && time.Now().After(flushAt) {
					flush = false
					if err := rdb.FlushDB(t.Context()).Err(); err != nil {
						t.Fatal(err)
					}
				}
			}
			running.Wait()
			n := granted.fullest(per)
			t.Logf("%d requests in %v, %d of them interactive, %d turns in the fullest window of %d",
				len(requests.times), time.Since(began).Round(time.Millisecond), len(people.times), n, rate.Requests)
			if n > rate.Requests {
				t.Errorf("%d turns in a window of %v", n, per)
			}
			if len(requests.times) <= rate.Requests || len(people.times) == 0 {
				t.Errorf("%d requests, %d of them interactive, want more than one window's", len(requests.times), len(people.times))
			}
		})
	}
}

// Without Redis, a process continues with its share, minus the requests that it has
// already made. Once Redis is available again, the process reports its grants.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	// If Redis fsynced only once per second, killing it could lose two seconds of
	// writes. This test needs all confirmed writes to survive.
	server, err := devstack.StartRedis(t.Context(), devstack.RedisOptions{Durable: true, Config: []string{"appendfsync always"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() }) // the server may have stopped already
	rdb := connect(t, server.URL())
	var events seen
	l, rate := New(Options{Redis: rdb, Observe: events.observe}), Rate{100, time.Hour}
	take := func(class Class) bool {
		t.Helper()
		err := l.Wait(t.Context(), "halo", rate.String(), class)
		if budget := (*BudgetError)(nil); err != nil && !errors.As(err, &budget) {
			t.Fatal(err)
		}
		return err == nil
	}
	for range 4 {
		if !take(Background) {
			t.Fatal("refused at the start")
		}
	}
	if err := server.Halt(); err != nil {
		t.Fatal(err)
	}
	alone := 0
	for take(Background) {
		alone++
	}
	// On a busy machine, a late request takes a second turn, so it counts twice.
	spent := len(l.local.used("halo", time.Hour.Microseconds()))
	if late := spent - 4 - alone; spent != 9 || late < 0 || events.count(Granted, true) != alone {
		t.Errorf("%d local requests after 4 shared ones, %d turns, want 9 turns", alone, spent)
	}
	if !take(Interactive) {
		t.Error("an interactive request was refused although the reserve is free")
	}
	if events.count(Lost, false) != 1 {
		t.Errorf("%d Lost events, want 1", events.count(Lost, false))
	}

	if err := server.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	for events.count(Back, false) == 0 {
		take(Background)
		if err := sleep.For(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	spent++ // the interactive request
	total := rdb.LLen(t.Context(), keys("halo")[1]).Val() + rdb.LLen(t.Context(), keys("halo")[2]).Val()
	if mine := len(l.local.used("halo", time.Hour.Microseconds())); total != int64(mine) || mine < spent {
		t.Errorf("Redis has %d requests, want %d", total, mine)
	}
}

// If Redis loses its data and restarts empty, the earlier grants are reported exactly
// once.
func TestRedisComesBackEmpty(t *testing.T) {
	t.Parallel()
	rdb := database(t)
	l, rate := New(Options{Redis: rdb}), Rate{700, 5 * time.Minute}
	for range 150 {
		if err := l.Wait(t.Context(), "halo", rate.String(), Background); err != nil {
			t.Fatal(err)
		}
	}
	turns := len(l.local.used("halo", rate.Per.Microseconds())) // more than 150 if a request was late
	if err := rdb.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	for range 20 {
		running.Go(func() {
			var budget *BudgetError
			if err := l.Wait(t.Context(), "halo", rate.String(), Background); !errors.As(err, &budget) {
				t.Errorf("%v, want a refusal during the settle time", err)
			}
		})
	}
	running.Wait()
	log := rdb.LRange(t.Context(), keys("halo")[1], 0, -1).Val()
	if turns < 150 || len(log) != turns || !slices.IsSorted(log) {
		t.Errorf("%d requests reported, want %d in order", len(log), turns)
	}
}

// The keys in Redis expire, but only when they are no longer needed.
func TestStateExpires(t *testing.T) {
	t.Parallel()
	rdb := database(t)
	l, rate := New(Options{Redis: rdb}), Rate{700, 5 * time.Minute}
	life := func() time.Duration {
		t.Helper()
		if err := l.Wait(t.Context(), "halo", rate.String(), Interactive); err != nil {
			if budget := (*BudgetError)(nil); !errors.As(err, &budget) {
				t.Fatal(err)
			}
		}
		for _, key := range keys("halo")[:2] {
			if rdb.TTL(t.Context(), key).Val() <= 0 {
				t.Errorf("%s never expires", key)
			}
		}
		return rdb.TTL(t.Context(), keys("halo")[0]).Val()
	}
	if d := life(); d < rate.Per || d > 15*time.Minute {
		t.Errorf("the state lives for %v", d)
	}
	l.Throttled("halo", rate.String(), time.Now(), time.Second)
	if d := life(); d < 10*rate.Per || d > 15*rate.Per {
		t.Errorf("the learned limit lives for %v", d)
	}
}

// BenchmarkGrant measures a call that is granted at once and a call that is refused.
func BenchmarkGrant(b *testing.B) {
	calls := map[string]call{
		"granted": {limit: 1 << 30, window: (100 * time.Millisecond).Microseconds()},
		"refused": {limit: 700, window: (24 * time.Hour).Microseconds()},
	}
	run := func(b *testing.B, s store, name string) {
		want := map[string]outcome{"granted": granted, "refused": refused}[name]
		for name == "refused" {
			if got, err := s.ask(b.Context(), "halo", calls[name]); err != nil || got.outcome == refused {
				break
			}
		}
		for b.Loop() {
			if got, err := s.ask(b.Context(), "halo", calls[name]); err != nil || got.outcome != want {
				b.Fatal(got, err)
			}
		}
	}
	for name := range calls {
		b.Run(name+"/memory", func(b *testing.B) { run(b, newMemory(), name) })
		b.Run(name+"/redis", func(b *testing.B) { run(b, newRedisStore(database(b)), name) })
	}
}

// A cluster rejects a script whose keys span several slots, even if one node holds all
// slots.
func TestCluster(t *testing.T) {
	t.Parallel()
	node, err := devstack.StartRedis(t.Context(), devstack.RedisOptions{Config: []string{"cluster-enabled yes"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Close() }) // an error here loses nothing
	plain := connect(t, node.URL())
	if err := plain.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(plain.Do(t.Context(), "CLUSTER", "INFO").String(), "cluster_state:ok") {
		if err := sleep.For(t.Context(), 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{node.Addr()}})
	t.Cleanup(func() { _ = rdb.Close() }) // the client only reads
	var events seen
	l := New(Options{Redis: rdb, Observe: events.observe})
	for _, instance := range []string{"a", "b", "c"} {
		for _, class := range []Class{Background, Interactive} {
			if err := l.Wait(t.Context(), instance, "", class); err != nil {
				t.Fatal(err)
			}
		}
		l.Throttled(instance, "", time.Now(), time.Second)
	}
	if events.count(Granted, false) != 6 || events.count(Lost, false) != 0 {
		t.Errorf("%+v", events.events)
	}
}
