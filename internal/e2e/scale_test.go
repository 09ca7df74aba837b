package halosync_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/repo/repotest"
)

// fast is a Halo without a limit: what is measured is our side.
var fast = halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off})

// A hundred thousand clients: every one exactly once, in bounded memory, and
// an unchanged import after it writes nothing but its run.
func TestHundredThousandClients(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped by -short: imports 100,000 clients twice")
	}
	// Not beside others, which would wait for it and make it wait.
	const small, large = 1_000, 100_000
	s := newSite(t, fast)
	w := s.startWorker(s.keyset)
	defer w.stop(t)

	s.tenant.Seed(small, 7)
	s.connect()
	s.importAll()
	before := w.peakMemory(t)

	s.tenant.Seed(large-small, 8)
	first := s.importAll()
	if first.State != "succeeded" || !first.Complete || first.Records != large || first.Created+first.Unchanged+first.Skipped != large {
		t.Fatalf("import: %+v", first)
	}
	grown := w.peakMemory(t) - before
	t.Logf("peak memory: %d MB after %d clients, %d MB more after %d", before>>20, small, grown>>20, large)
	if grown > 100<<20 {
		t.Errorf("peak memory grew by %d MB, want at most 100", grown>>20)
	}

	count := func(sql string) int { return repotest.Value[int](t, s.db, sql) }
	if n := count(`select count(*) from halosync.clients`); n != large {
		t.Errorf("%d clients in the catalogue, want %d", n, large)
	}
	active := 0
	for _, c := range s.tenant.Clients() {
		if !c.Inactive && c.ID != 1 && strings.TrimSpace(c.Name) != "" {
			active++
		}
	}
	if n := count(`select count(*) from halosync.mappings where deleted_at is null`); n != active {
		t.Errorf("%d mappings, want one for each of %d active clients", n, active)
	}
	if n := count(`select count(*) from (select company_id from halosync.mappings group by 1 having count(*) > 1) d`); n != 0 {
		t.Errorf("%d companies with more than one mapping", n)
	}

	// Postgres itself says whether a row was written: ctid is where its
	// present version lies, xmax who last locked or replaced it.
	versions := func() string {
		var all []string
		for _, table := range []string{"companies", "clients", "mappings"} {
			all = append(all, repotest.Value[string](t, s.db, fmt.Sprintf(
				`select md5(string_agg(ctid::text || xmin::text || xmax::text, ',' order by ctid)) from halosync.%s`, table)))
		}
		return strings.Join(all, " ")
	}
	was, events := versions(), count(`select count(*) from halosync.events`)
	second := s.importAll()
	if second.Unchanged != active || second.Created+second.Refreshed+second.Linked != 0 || !second.Complete {
		t.Errorf("second import: %+v", second)
	}
	if now := versions(); now != was {
		t.Error("an unchanged import rewrote rows of companies, clients or mappings")
	}
	if n := count(`select count(*) from halosync.events`); n != events {
		t.Errorf("an unchanged import left %d events", n-events)
	}
	if n := count(`select count(*) from halosync.run_pages`); n != 0 {
		t.Errorf("%d rows left of ended runs", n)
	}
}

// importAll imports everything with the CLI and returns the run.
func (s *site) importAll() run {
	s.t.Helper()
	out, errs, code := s.enqueue("import", "--connection", "halo", "--all", "--wait", "-o", "json")
	if code != 0 && code != 3 {
		s.t.Fatalf("import: exit code %d\n%s%s", code, out, errs)
	}
	return decode[run](s.t, out)
}

// peakMemory is the greatest resident size the worker has had, in bytes. The
// binary carries the race detector, so the figure is larger than in the field.
func (w *workerProcess) peakMemory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid))
	if err != nil {
		t.Skip("skipped: no /proc to read the worker's memory from")
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("no VmHWM in /proc")
	return 0
}
