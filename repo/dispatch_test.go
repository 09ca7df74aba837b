package repo_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/repo/schema"
)

// age sets how long ago a run was dispatched and had its last heartbeat.
func (w *fixture) age(t testing.TB, id uuid.UUID, dispatched, beat string) {
	t.Helper()
	repotest.Exec(t, w.url, `update halosync.runs set dispatched_at = now() - $2::interval, beat_at = now() - $3::interval where id = $1`,
		id, dispatched, beat)
}

func TestRunsThatAreDispatchedAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		run  func(t *testing.T, w *fixture) uuid.UUID
		want int
	}{
		"queued just now": {func(t *testing.T, w *fixture) uuid.UUID {
			run, _, err := w.CreateRun(t.Context(), w.newRun("k"))
			return must[repo.Run](t)(run, err).ID
		}, 0},
		"queued for more than a minute": {func(t *testing.T, w *fixture) uuid.UUID {
			run, _, err := w.CreateRun(t.Context(), w.newRun("k"))
			w.age(t, must[repo.Run](t)(run, err).ID, "61 s", "61 s")
			return run.ID
		}, 1},
		"postponed and not due yet": {func(t *testing.T, w *fixture) uuid.UUID {
			claim := w.claim(t, "k")
			if err := w.ReleaseRun(t.Context(), claim.Ref, "later", time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			w.age(t, claim.Run.ID, "61 s", "61 s")
			return claim.Run.ID
		}, 0},
		"running and alive": {func(t *testing.T, w *fixture) uuid.UUID {
			claim := w.claim(t, "k")
			w.age(t, claim.Run.ID, "1 h", "61 s")
			if err := w.Beat(t.Context(), claim.Ref); err != nil {
				t.Fatal(err)
			}
			return claim.Run.ID
		}, 0},
		"running with a batch just written": {func(t *testing.T, w *fixture) uuid.UUID {
			claim := w.claim(t, "k")
			w.age(t, claim.Run.ID, "1 h", "61 s")
			must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, page(1), decider(nil)))
			return claim.Run.ID
		}, 0},
		"running without a heartbeat": {func(t *testing.T, w *fixture) uuid.UUID {
			claim := w.claim(t, "k")
			w.age(t, claim.Run.ID, "1 h", "61 s")
			return claim.Run.ID
		}, 1},
		"ended": {func(t *testing.T, w *fixture) uuid.UUID {
			claim := w.claim(t, "k")
			w.finish(t, claim.Ref)
			w.age(t, claim.Run.ID, "1 h", "1 h")
			return claim.Run.ID
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			id := tt.run(t, w)
			taken := must[[]repo.Run](t)(w.ClaimUndispatched(t.Context(), 9))
			if len(taken) != tt.want {
				t.Fatalf("%d runs taken, want %d", len(taken), tt.want)
			}
			// If the queue is known to be empty, every run that has not ended is
			// returned, except runs with a heartbeat.
			if err := w.UndispatchAll(t.Context()); err != nil {
				t.Fatal(err)
			}
			run := must[repo.Run](t)(w.Run(t.Context(), w.tenant, id))
			equal(t, "forgotten", repotest.Value[bool](t, w.url, `select dispatched_at is null from halosync.runs`), !run.Ended())
		})
	}
}

// Concurrent calls get different runs.
func TestDispatchersShareTheWork(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	const runs = 60
	for i := range runs {
		n := w.newRun(string(rune('a'+i%26)) + string(rune('0'+i/26)))
		n.Waiting = true
		if _, _, err := w.CreateRun(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	taken := map[uuid.UUID]int{}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				mine, err := w.ClaimUndispatched(t.Context(), 5)
				if err != nil {
					t.Error(err)
				}
				if len(mine) == 0 {
					return
				}
				mu.Lock()
				for _, run := range mine {
					taken[run.ID]++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	equal(t, "runs taken", len(taken), runs)
	for id, n := range taken {
		if n != 1 {
			t.Errorf("run %v was taken %d times", id, n)
		}
	}
}

// Consecutive worker crashes are counted, and progress resets the count.
func TestWorkerCrashesInARow(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	n := w.newRun("k")
	claim := must[repo.Claim](t)(w.ClaimRun(t.Context(), n))
	deaths := func(died bool) int {
		t.Helper()
		n.Died = died
		claim = must[repo.Claim](t)(w.ClaimRun(t.Context(), n))
		return claim.Run.WorkerCrashes
	}
	equal(t, "deaths", []int{deaths(true), deaths(false), deaths(true)}, []int{1, 1, 2})
	must[repo.ImportResult](t)(w.ImportBatch(t.Context(), claim.Ref, page(1), decider(nil)))
	equal(t, "after a page", deaths(true), 1)
	if err := w.ReleaseRun(t.Context(), claim.Ref, "slice over", time.Time{}); err != nil {
		t.Fatal(err)
	}
	equal(t, "after it was handed back", deaths(true), 0)
}

// A Postgres that is down or starting is reported as unavailable.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	server := repotest.Server(t, nil)
	url := server.URL()
	if _, err := schema.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	w := join(t, repotest.Open(t, url), url, "acme", "main")
	claim := w.claim(t, "k")
	for name, halt := range map[string]func() error{"fast": server.HaltFast, "immediate": server.HaltImmediate} {
		if err := halt(); err != nil {
			t.Fatal(err)
		}
		for range 3 { // a broken connection, then a refused one
			if err := w.Beat(t.Context(), claim.Ref); !errors.Is(err, repo.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := server.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Run(t.Context(), "acme", uuid.New()); errors.Is(err, repo.ErrUnavailable) || !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("not found: %v", err)
	}
	if _, err := w.Run(within(t, time.Nanosecond), "acme", claim.Run.ID); errors.Is(err, repo.ErrUnavailable) {
		t.Errorf("own timeout: %v", err)
	}
}
