package engine_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// histories is the number of random histories. HALOSYNC_HISTORIES overrides it ("make
// soak": 10,000). HALOSYNC_HISTORY_SEED repeats a single history.
const histories = 24

// firstHistory is the seed of the first history. It is chosen so that rare outcomes occur
// several times in a few histories.
const firstHistory = 250

// Whatever Halo, the network and people do, no mapping is lost, duplicated or restored
// unintentionally. No mapping is marked missing if its client existed throughout. The
// next successful resync finds every real deletion.
func TestHistories(t *testing.T) {
	t.Parallel()
	number, shards := histories, 4
	if v, err := strconv.Atoi(os.Getenv("HALOSYNC_HISTORIES")); err == nil {
		number = v
	}
	first := uint64(firstHistory)
	if v, err := strconv.ParseUint(os.Getenv("HALOSYNC_HISTORY_SEED"), 10, 64); err == nil {
		first, number, shards = v, 1, 1
	}
	var total stats
	var all sync.WaitGroup
	stages := make([]*stage, shards)
	for i := range stages {
		stages[i] = newStage(t)
	}
	for i, st := range stages {
		all.Go(func() {
			for n := i; n < number && !t.Failed(); n += shards {
				st.play(first+uint64(n), &total)
			}
		})
	}
	all.Wait()
	t.Logf("%d histories: %s", number, &total)
	if number >= histories && !t.Failed() {
		total.enough(t, number)
	}
}

// stats counts the events of all histories, to verify that each kind of event occurred.
type stats struct {
	succeeded, partial, held, failed, missing, unverified, refreshed, imported, unmapped, restored atomic.Int64
}

func (c *stats) counters() map[string]*atomic.Int64 {
	return map[string]*atomic.Int64{
		"resyncs that succeeded": &c.succeeded, "partial": &c.partial, "held": &c.held, "failed": &c.failed,
		"mappings marked missing": &c.missing, "unverified": &c.unverified, "refreshed": &c.refreshed,
		"made": &c.imported, "unmapped": &c.unmapped, "restored": &c.restored,
	}
}

func (c *stats) String() string {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(c.counters())) {
		text += fmt.Sprintf("%s %d; ", name, c.counters()[name].Load())
	}
	return text
}

// enough fails the test if an event occurred too rarely for the test to prove much.
func (c *stats) enough(t *testing.T, histories int) {
	for name, n := range c.counters() {
		if n.Load() < int64(max(1, histories/100)) && name != "failed" {
			t.Errorf("%s: only %d", name, n.Load())
		}
	}
}

// stage is a database and a Halo. It plays histories one after another, each with its
// own tenant.
type stage struct {
	*fixture
	mu     sync.Mutex
	onPage func() // hook of the current history
}

func newStage(t *testing.T) *stage {
	st := &stage{fixture: newFixture(t, 0, halotest.WithProfile(halotest.Profile{PageCap: 7, RateLimit: halotest.Off}))}
	st.engine = enginetest.New(enginetest.Config{Store: st.store, Allow: st.engine.Config.Allow, RetryBudget: time.Millisecond})
	st.halo.AfterPage(func(halotest.PageEvent) {
		st.mu.Lock()
		f := st.onPage
		st.mu.Unlock()
		if f != nil {
			f()
		}
	})
	return st
}

// between calls f after each page while the function during is running.
func (st *stage) between(f func(), during func()) {
	set := func(f func()) {
		st.mu.Lock()
		defer st.mu.Unlock()
		st.onPage = f
	}
	set(f)
	defer set(nil)
	during()
}

// side is the Halo side of a mapping.
type side struct {
	Client   int64
	Company  uuid.UUID
	Name     string
	State    repo.MappingState
	Inactive bool
	Reason   string
	verified *time.Time
}

func (s *history) sides() map[uuid.UUID]side {
	all := map[uuid.UUID]side{}
	for m, err := range s.store.AllMappings(s.t.Context(), s.name, repo.MappingFilter{}) {
		if err != nil {
			s.fail("mappings: %v", err)
			return nil
		}
		all[m.ID] = side{m.ClientID, m.CompanyID, m.ClientName, m.State, m.ClientInactive, m.StateReason, m.LastVerifiedAt}
	}
	return all
}

// fail reports a fault in the current history.
func (s *history) fail(format string, args ...any) {
	s.t.Errorf("seed %d, step %d (%s): %s", s.seed, s.steps, s.doing, fmt.Sprintf(format, args...))
}

// settle compares the active mappings with the model after a step. The step may have
// deleted the mappings listed in gone. If fresh is true, it may have created a mapping.
func (s *history) settle(gone map[uuid.UUID]bool, fresh func(side) bool) {
	now := s.sides()
	clients, companies := map[int64]bool{}, map[uuid.UUID]bool{}
	for id, m := range now {
		if clients[m.Client] || companies[m.Company] {
			s.fail("client %d or its company is mapped twice", m.Client)
		}
		clients[m.Client], companies[m.Company] = true, true
		was, known := s.mapped[id]
		switch {
		case gone[id]:
			s.fail("mapping of client %d was restored", m.Client)
		case !known && (fresh == nil || !fresh(m) || !s.everThere[m.Client]):
			s.fail("unexpected new mapping of client %d", m.Client)
		case known && (was.Client != m.Client || was.Company != m.Company):
			s.fail("mapping of client %d now belongs to client %d", was.Client, m.Client)
		}
		if !known {
			s.total.imported.Add(1)
		}
	}
	for id, m := range s.mapped {
		if _, ok := now[id]; !ok && !gone[id] {
			s.fail("mapping of client %d was lost", m.Client)
		}
	}
	s.mapped = now
}

// changed returns the mappings whose Halo side has changed.
func changed(before, after map[uuid.UUID]side) (diffs []string) {
	for id, m := range after {
		was, ok := before[id]
		m.verified, was.verified = nil, nil
		if ok && was != m {
			diffs = append(diffs, cmp.Diff(was, m, cmp.AllowUnexported(side{})))
		}
	}
	return diffs
}

// run executes a job as often as the queue does and returns the finished run.
func run[A any](s *history, job tasks.Job[A], execute func() error) (r repo.Run) {
	for range 60 {
		err := execute()
		var rerr error
		if r, rerr = s.engine.Run(s.t.Context(), s.name, job.RunID); rerr != nil {
			s.fail("run: %v, %v", rerr, err)
			return r
		}
		if r.Ended() {
			return r
		}
	}
	s.fail("run has not ended: %s", r.WaitReason)
	return r
}
