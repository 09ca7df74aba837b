package chaos

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestChaos is the short form. HALOSYNC_CHAOS_RUNS=n selects the long form,
// which runs episodes with seeds from 1 upwards until n runs have been checked.
// HALOSYNC_CHAOS_SEED=n repeats the episode with that seed. HALOSYNC_CHAOS_REPORT names a
// file for the report, and HALOSYNC_CHAOS_LOGS a folder for the workers' logs of failed
// episodes.
func TestChaos(t *testing.T) {
	total := newReport()
	defer func() {
		t.Logf("\n%s", total)
		if path := os.Getenv("HALOSYNC_CHAOS_REPORT"); path != "" {
			if err := os.WriteFile(path, []byte(total.String()), 0o600); err != nil {
				t.Error(err)
			}
		}
	}()
	one, runs := number(t, "HALOSYNC_CHAOS_SEED"), number(t, "HALOSYNC_CHAOS_RUNS")
	switch {
	case one > 0:
		carryOut(t, total, 1, func() (plan, bool) {
			p := longPlan(uint64(one))
			return p, total.enough(0) && total.episodes == 0
		})
	case runs > 0:
		var mu sync.Mutex
		seed := uint64(0)
		carryOut(t, total, 3, func() (plan, bool) {
			mu.Lock()
			defer mu.Unlock()
			seed++
			return longPlan(seed), !total.enough(runs)
		})
	default:
		plans := shortPlans()
		var mu sync.Mutex
		carryOut(t, total, len(plans), func() (plan, bool) {
			mu.Lock()
			defer mu.Unlock()
			if len(plans) == 0 {
				return plan{}, false
			}
			p := plans[0]
			plans = plans[1:]
			return p, true
		})
	}
}

// carryOut runs episodes on the given number of lanes until the function next returns no
// more plans.
func carryOut(t *testing.T, total *report, lanes int, next func() (plan, bool)) {
	var going sync.WaitGroup
	for range lanes {
		going.Go(func() {
			l, err := newLane(t.Context())
			if err != nil {
				t.Errorf("lane: %v", err)
				return
			}
			defer func() {
				if err := l.close(); err != nil {
					t.Errorf("lane: %v", err)
				}
			}()
			for p, ok := next(); ok; p, ok = next() {
				if !t.Run(fmt.Sprintf("seed=%d", p.seed), func(t *testing.T) { run(t, l, p, total) }) {
					total.fail(p.seed)
				}
			}
		})
	}
	going.Wait()
}

// longPlan draws a plan for the long form.
func longPlan(seed uint64) plan {
	kinds := faultKinds()
	return plan{
		seed: seed, sites: 4,
		asks:   drawAsks(dice(seed, "asks"), 50, 4, 20*time.Second),
		faults: drawFaults(dice(seed, "faults"), 14, []string{kinds[seed%uint64(len(kinds))]}, 22*time.Second),
	}
}

// shortPlans returns two episodes with fixed seeds. Together, they have every
// kind of fault. The clock leap skips the minutes needed to recover a lost
// worker's runs.
func shortPlans() []plan {
	at := func(seconds float64, kind string, lasts float64, worker, n int) plannedFault {
		return plannedFault{
			at: time.Duration(seconds * float64(time.Second)), kind: kind,
			lasts: time.Duration(lasts * float64(time.Second)), worker: worker, n: n,
		}
	}
	workers := plan{seed: 1, sites: 2, asks: drawAsks(dice(1, "asks"), 30, 2, 6*time.Second), faults: []plannedFault{
		at(1, haloError, 0, 0, 2), at(1.5, haloReset, 0, 0, 2), at(2, haloHang, 1, 0, 1), at(2.5, workerKill, 0.3, 0, 0),
		at(3, haloThrottle, 0, 0, 3), at(4, workerFreeze, 9, 1, 0), at(6, linkSlow+"halo", 2, 0, 100), at(7, clockLeap, 0, 0, 0),
		at(8, workerTerm, 0, 0, 0), at(10, linkCut+"halo", 1, 0, 0), at(12, linkSilent+"halo", 1, 0, 0),
	}}
	servers := plan{seed: 2, sites: 2, asks: drawAsks(dice(2, "asks"), 30, 2, 12*time.Second), faults: []plannedFault{
		at(1, linkCut+"redis", 1, 0, 0), at(2, redisFlush, 0, 0, 0), at(3, pgFast, 0.5, 0, 0), at(5, redisRestart, 0.5, 0, 0),
		at(6.5, pgImmediate, 0.5, 0, 0), at(8, linkCut+"postgres", 1, 0, 0), at(9, linkSlow+"redis", 1, 0, 0),
		at(10, linkSlow+"postgres", 1, 0, 0), at(11, linkSilent+"redis", 1, 0, 0), at(12, linkSilent+"postgres", 1, 0, 0),
		at(15, clockLeap, 0, 0, 0),
	}}
	return []plan{workers, servers}
}

// number reads an environment variable. It returns 0 if the variable is not
// set.
func number(t *testing.T, name string) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: want a whole number from 1", name, text)
	}
	return n
}
