package engine_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/halo/proof"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/internal/names"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/repo"
)

// halos is the number of random Halos that the test imports from. HALOSYNC_HALOS
// overrides it ("make soak": 100). The test verifies that the default seeds cover every
// value of every switch and every kind of fault.
const halos = 24

// Imports handle random variants of Halo's undocumented behaviour, as well as faults and
// changes between pages. A complete run has every client that existed throughout, and a
// partial run has a reason. No client is duplicated, and no run hangs.
func TestImportFromAHundredHalos(t *testing.T) {
	t.Parallel()
	number := halos
	if v, err := strconv.Atoi(os.Getenv("HALOSYNC_HALOS")); err == nil {
		number = v
	}
	var complete atomic.Int32
	var mu sync.Mutex
	seen := map[string]int{}
	t.Run("seed", func(t *testing.T) {
		for seed := range uint64(number) {
			v := newVariant(seed)
			for _, what := range v.switches() {
				seen[what]++
			}
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				whole, faults := v.imports(t)
				if whole {
					complete.Add(1)
				}
				mu.Lock()
				defer mu.Unlock()
				for kind, n := range faults {
					seen[fmt.Sprint("fault ", kind)] += n
				}
			})
		}
	})
	t.Logf("%d of %d runs complete; %v", complete.Load(), number, seen)
	if number < halos || t.Failed() {
		return
	}
	// The test would prove little if few runs were complete or if a variant did not
	// occur.
	if int(complete.Load()) < number/2 {
		t.Errorf("only %d of %d runs were complete", complete.Load(), number)
	}
	for _, what := range allSwitches() {
		if seen[what] == 0 {
			t.Errorf("no seed has %s", what)
		}
	}
}

// variant is the Halo that a seed selects.
type variant struct {
	seed      uint64
	profile   halotest.Profile
	clients   int
	faultSeed uint64 // seed of the faults; 0 for no faults
	changes   bool   // whether clients change between pages
}

func newVariant(seed uint64) *variant {
	dice := rand.New(rand.NewPCG(seed, 99))
	v := &variant{seed: seed, profile: randomProfile(dice), clients: 30 + dice.IntN(220)}
	if dice.IntN(5) > 0 {
		v.faultSeed = 1 + dice.Uint64N(1<<32)
	}
	v.changes = dice.IntN(3) > 0
	v.profile.ExpiresIn, v.profile.BareToken = halotest.ExpiresIn(seed%6), seed%4 < 2
	return v
}

// waits reports whether runs wait until a fault ends instead of being postponed.
func (v *variant) waits() bool { return v.seed%10 == 0 }

// switches returns the names of the variant's values, in the format of [allSwitches].
func (v *variant) switches() []string {
	p := v.profile
	return []string{
		fmt.Sprint("PageCap ", p.PageCap), fmt.Sprint("PastEnd ", int(p.PastEnd)), fmt.Sprint("EchoSize ", int(p.EchoSize)),
		fmt.Sprint("IDs ", int(p.IDs)), fmt.Sprint("DefaultSort ", int(p.DefaultSort)), fmt.Sprint("IgnoreOrder ", p.IgnoreOrder),
		fmt.Sprint("RetryAfter ", int(p.RetryAfter)), fmt.Sprint("ThrottleBody ", int(p.ThrottleBody)),
		fmt.Sprint("RecordCount ", int(p.RecordCount)), fmt.Sprint("BareArray ", p.BareArray), fmt.Sprint("TokenUses ", p.TokenUses > 0),
		fmt.Sprint("NewTokenKillsOld ", p.NewTokenKillsOld), fmt.Sprint("Logo ", p.LogoEvery > 0),
		fmt.Sprint("ExpiresIn ", int(p.ExpiresIn)), fmt.Sprint("BareToken ", p.BareToken),
		fmt.Sprint("faults ", v.faultSeed > 0), fmt.Sprint("changes ", v.changes), fmt.Sprint("waits ", v.waits()),
	}
}

// allSwitches returns the names of all values and faults that seeds can select.
func allSwitches() (all []string) {
	for name, n := range map[string]int{"PastEnd": 3, "EchoSize": 3, "IDs": 3, "DefaultSort": 2, "RetryAfter": 3, "ThrottleBody": 5, "ExpiresIn": 6, "RecordCount": 3} {
		for i := range n {
			all = append(all, fmt.Sprint(name, " ", i))
		}
	}
	for _, n := range []int{0, 37, 10, halotest.Off} {
		all = append(all, fmt.Sprint("PageCap ", n))
	}
	for _, name := range []string{"IgnoreOrder", "BareArray", "BareToken", "TokenUses", "NewTokenKillsOld", "Logo", "faults", "changes", "waits"} {
		all = append(all, name+" true", name+" false")
	}
	for _, kind := range []halotest.Kind{
		halotest.KindStatus, halotest.KindThrottle, halotest.KindHTML200, halotest.KindTruncate, halotest.KindCut,
		halotest.KindReset, halotest.KindExpire, halotest.KindWrongJSON, halotest.KindSlow,
	} {
		all = append(all, fmt.Sprint("fault ", kind))
	}
	return all
}

// imports imports twice, once during the changes and faults and once afterwards. It
// reports whether the first run was complete and which faults occurred.
func (v *variant) imports(t *testing.T) (complete bool, faults map[halotest.Kind]int) {
	profile := v.profile
	w := newFixture(t, 0, halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off}))
	if !v.waits() {
		// Most runs are postponed after the first failure, which is fast because the
		// test skips the queue's delays. The other runs wait until the faults end.
		w.engine = w.engine.With(func(c *enginetest.Config) { c.RetryBudget = time.Millisecond })
	}
	w.tenant.Seed(v.clients, v.seed)
	conn := w.connect("t1", "c")
	w.halo.SetProfile(func(p *halotest.Profile) { *p = profile })
	if v.faultSeed > 0 {
		addFaults(w, v.faultSeed, int(v.seed))
	}
	h := &tenantChanges{tenant: w.tenant, dice: rand.New(rand.NewPCG(v.seed, 7)), names: map[int64][]string{}, touched: map[int64]bool{}}
	for _, c := range w.tenant.Clients() {
		h.start = append(h.start, c)
		h.names[c.ID] = []string{c.Name}
	}
	if v.changes {
		w.halo.AfterPage(func(halotest.PageEvent) { h.change() })
	}

	run := w.importAll(conn)
	h.stop()
	w.halo.ClearFaults()
	h.check(t, w, run)

	// The next run completes a partial run, unless nothing shows that Halo divides the list
	// into pages at all.
	again := w.importAll(conn)
	countless := profile.BareArray || profile.RecordCount == halotest.CountMissing
	rows := profile.PageCap
	if rows <= 0 {
		rows = 100
	}
	if unproved := countless && w.tenant.Len() <= rows && profile.PastEnd != halotest.PastEndEmpty; again.Complete == unproved {
		t.Errorf("second run (%+v): %s: %s", profile, counts(again), again.Error)
	}
	h.start = w.tenant.Clients()
	h.touched = map[int64]bool{}
	h.check(t, w, again)
	return run.Complete, w.halo.Log().Faults
}

// randomProfile returns a profile with a random value for every switch.
func randomProfile(dice *rand.Rand) halotest.Profile {
	p := halotest.Profile{
		RateLimit:   halotest.Off,
		PageCap:     []int{0, 0, 37, 10, halotest.Off}[dice.IntN(5)],
		PastEnd:     halotest.PastEnd(dice.IntN(3)),
		EchoSize:    halotest.EchoSize(dice.IntN(3)),
		IDs:         halotest.IDForm(dice.IntN(3)),
		DefaultSort: halotest.Sort(dice.IntN(2)),
		IgnoreOrder: dice.IntN(6) == 0,
		RetryAfter:  halotest.RetryAfter(dice.IntN(3)), ThrottleBody: halotest.ThrottleBody(dice.IntN(5)),
	}
	switch dice.IntN(12) {
	case 0:
		p.RecordCount = halotest.CountMissing
	case 1, 2:
		p.RecordCount = halotest.CountString
	case 3:
		p.BareArray = true
	}
	switch dice.IntN(4) {
	case 0:
		p.TokenUses = 8 + dice.IntN(8) // more than the number of concurrent requests
	case 1:
		p.NewTokenKillsOld = true
	}
	if dice.IntN(4) == 0 {
		p.LogoEvery, p.LogoBytes = 3, 20_000
	}
	return p
}

// addFaults adds random faults and one guaranteed fault of the nth kind.
func addFaults(w *fixture, seed uint64, nth int) {
	kinds := []halotest.Fault{
		halotest.Status(500, ""), halotest.Status(502, "<html><title>Bad Gateway</title></html>"), halotest.Status(503, ""),
		halotest.Throttle(0), halotest.Throttle(time.Second), halotest.HTML200(), halotest.Truncate(200), halotest.Cut(150),
		halotest.Reset(), halotest.Expire(), halotest.WrongJSON(), halotest.Slow(4000, time.Millisecond),
	}
	w.halo.Fault(halotest.Rule{Route: halotest.RouteList, Nth: 2}, kinds[nth%len(kinds)])
	w.halo.Fault(halotest.Rule{Chance: 0.08, Seed: seed, MaxRun: 3}, kinds...)
}

// tenantChanges changes a tenant between pages and records what a run may have seen.
type tenantChanges struct {
	mu      sync.Mutex
	tenant  *halotest.Tenant
	dice    *rand.Rand
	start   []halotest.Client
	names   map[int64][]string // all names that a client has had
	touched map[int64]bool     // deleted, merged, added, (de)activated
	changes int
}

// stop stops the changes.
func (h *tenantChanges) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changes = maxChanges
}

// maxChanges is the maximum number of changes to a tenant.
const maxChanges = 12

// change makes a change after about every third page.
func (h *tenantChanges) change() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dice.IntN(3) > 0 || h.changes >= maxChanges {
		return
	}
	h.changes++
	ids := h.tenant.IDs()
	id := ids[h.dice.IntN(len(ids))]
	if id == proof.UnknownClientID {
		return
	}
	switch h.dice.IntN(6) {
	case 0:
		h.add()
	case 1:
		name := fmt.Sprintf("Renamed %d", h.changes)
		h.tenant.Rename(id, name)
		h.names[id] = append(h.names[id], name)
	case 2:
		h.tenant.Deactivate(id)
		h.touched[id] = true
	case 3:
		h.tenant.Delete(id)
		h.touched[id] = true
	case 4:
		into := ids[h.dice.IntN(len(ids))]
		h.tenant.Merge(id, into)
		h.touched[id] = true
	default: // the count stays the same
		h.tenant.Delete(id)
		h.touched[id] = true
		h.add()
	}
}

func (h *tenantChanges) add() {
	name := fmt.Sprintf("Added %d", h.changes)
	for _, id := range h.tenant.Add(halotest.Client{Name: name}) {
		h.touched[id] = true
		h.names[id] = []string{name}
	}
}

// shown returns a name as the product stores and displays it.
func shown(name string) string { return plaintext.Clean(name, 1000) }

// check compares the database with what the run could have seen.
func (h *tenantChanges) check(t *testing.T, w *fixture, run repo.Run) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case run.State == repo.StatePartial && (!run.Complete || run.Failed+run.Ambiguous > 0) && run.Error != "":
	case run.State == repo.StateSucceeded && run.Complete && run.Failed+run.Ambiguous == 0 && run.Error == "":
	default:
		t.Fatalf("%s: %q", counts(run), run.Error)
	}
	if sum := run.Created + run.Linked + run.Refreshed + run.Unchanged + run.Ambiguous + run.Skipped + run.Failed; sum != run.Records {
		t.Errorf("the counts add up to %d clients, but the run has %d records", sum, run.Records)
	}
	mapped := map[int64]repo.Mapping{}
	for _, m := range w.mappings("t1") {
		if _, twice := mapped[m.ClientID]; twice {
			t.Errorf("client %d is mapped twice", m.ClientID)
		}
		mapped[m.ClientID] = m
		if !slices.ContainsFunc(h.names[m.ClientID], func(name string) bool { return shown(name) == m.ClientName }) {
			t.Errorf("client %d is mapped as %q, but its names in Halo were %q", m.ClientID, m.ClientName, h.names[m.ClientID])
		}
	}
	if !run.Complete {
		return
	}
	var missing []int64
	for _, c := range h.start {
		if _, ok := mapped[c.ID]; !ok && !h.touched[c.ID] && !c.Inactive && c.ID != proof.UnknownClientID && names.Normalise(c.Name) != "" {
			missing = append(missing, c.ID)
		}
	}
	if len(missing) > 0 {
		t.Errorf("complete run lacks clients %v; changed clients: %v", missing, slices.Sorted(maps.Keys(h.touched)))
	}
}
