package chaos

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/halosync/halosync/halo/halotest"
)

// report holds the totals of all episodes.
type report struct {
	mu       sync.Mutex
	began    time.Time
	episodes int
	runs     int
	faults   map[string]int
	endings  map[string]int // by kind and state
	ways     map[string]int // requests, by method and answer
	ended    map[string]int // worker processes, by how they ended
	lost     int            // runs requested only through Redis, which lost them before a worker read them
	again    int            // executions of runs beyond the first
	repeated int            // runs with more than one execution
	pages    int            // pages written
	served   int            // list pages that Halo sent
	recovery time.Duration
	quiet    time.Duration
	failed   []uint64
}

func newReport() *report {
	return &report{began: time.Now(), faults: map[string]int{}, endings: map[string]int{}, ways: map[string]int{}, ended: map[string]int{}}
}

// add adds an episode and its runs.
func (r *report) add(e *episode, runs map[string]row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.episodes++
	r.runs += len(runs)
	for kind, n := range e.faults {
		r.faults[kind] += n
	}
	for _, run := range runs {
		r.endings[fmt.Sprint(run.Kind, " ", run.State)]++
		r.again += max(0, run.Attempt-1)
		if run.Attempt > 1 {
			r.repeated++
		}
		if run.Kind == "import" || run.Kind == "resync" {
			r.pages += run.Pages
		}
	}
	log := e.halo.Log()
	for _, s := range e.sites {
		r.served += log.Tenants[s.conn.HaloTenant].Routes[halotest.RouteList]
	}
	for id, asks := range e.accepted() {
		if _, ok := runs[id]; !ok {
			r.lost++
			asks[0].err = fmt.Errorf("lost")
		}
	}
	for _, a := range e.asks {
		answer := "new run"
		switch {
		case a.err != nil && a.err.Error() == "lost":
			answer = "lost with redis"
		case a.err != nil:
			answer = "refused"
		case a.way == byRollback:
			answer = "rolled back"
		case a.joined:
			answer = "existing run"
		}
		r.ways[a.way+": "+answer]++
	}
	for _, s := range e.supervisors {
		s.now.Lock()
		for how, n := range s.ended {
			r.ended[how] += n
		}
		s.now.Unlock()
	}
	r.recovery, r.quiet = max(r.recovery, e.recovery), max(r.quiet, e.quiet)
}

// fail adds a failed episode.
func (r *report) fail(seed uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, seed)
}

// enough reports whether at least the given number of runs have been checked.
func (r *report) enough(runs int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs >= runs
}

func (r *report) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%d episodes, %d runs, in %v\n", r.episodes, r.runs, time.Since(r.began).Round(time.Second))
	for _, part := range []struct {
		title  string
		counts map[string]int
	}{{"faults", r.faults}, {"requests", r.ways}, {"runs", r.endings}, {"worker processes ended", r.ended}} {
		total := 0
		for _, n := range part.counts {
			total += n
		}
		fmt.Fprintf(&b, "%s: %d\n", part.title, total)
		for _, name := range slices.Sorted(maps.Keys(part.counts)) {
			fmt.Fprintf(&b, "  %5d %s\n", part.counts[name], name)
		}
	}
	fmt.Fprintf(&b, "lost with Redis before a worker read them: %d\n", r.lost)
	fmt.Fprintf(&b, "repeats: %d executions beyond the first, of %d runs; %d list pages sent by Halo, %d written\n", r.again, r.repeated, r.served, r.pages)
	fmt.Fprintf(&b, "longest recovery: %v until all runs had ended, %v until the queue was empty\n",
		r.recovery.Round(100*time.Millisecond), r.quiet.Round(100*time.Millisecond))
	if len(r.failed) > 0 {
		fmt.Fprintf(&b, "FAILED seeds (HALOSYNC_CHAOS_SEED=n make chaos): %v\n", r.failed)
	}
	return b.String()
}

// argsOf returns a run's arguments.
func argsOf[A any](e *episode, r row) (args A) {
	if err := json.Unmarshal(r.Args, &args); err != nil {
		e.Errorf("arguments of run %s: %v", r.id, err)
	}
	return args
}
