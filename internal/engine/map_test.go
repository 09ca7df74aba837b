package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// addCompanies adds companies by name and returns their ids.
func (w *fixture) addCompanies(names ...string) []uuid.UUID {
	w.t.Helper()
	added, err := w.engine.AddCompanies(w.t.Context(), "t1", "test", names, "")
	if err != nil {
		w.t.Fatal(err)
	}
	ids := make([]uuid.UUID, len(added))
	for i, c := range added {
		ids[i] = c.ID
	}
	return ids
}

// pairsOf parses COMPANY=CLIENT pairs like the CLI.
func pairsOf(texts ...string) []tasks.Pair {
	pairs := make([]tasks.Pair, len(texts))
	for i, text := range texts {
		company, client, _ := strings.Cut(text, "=")
		pairs[i].Company = company
		if _, err := fmt.Sscan(client, &pairs[i].ClientID); err != nil {
			pairs[i].ClientName = client
		}
	}
	return pairs
}

func mapJob(conn repo.Connection, replace bool, pairs ...tasks.Pair) tasks.Job[tasks.MapArgs] {
	args := tasks.MapArgs{Tenant: conn.Tenant, ConnectionID: conn.ID.String(), Pairs: pairs, Replace: replace, RequestedBy: "anna"}
	return tasks.Job[tasks.MapArgs]{RunID: tasks.NewRunID(), Args: args.Canonical(), Attempt: 1, Draining: make(chan struct{})}
}

// mapAll executes a map run as often as the queue would and returns the finished run.
func (w *fixture) mapAll(j tasks.Job[tasks.MapArgs]) repo.Run {
	w.t.Helper()
	for range 20 {
		_, err := w.engine.Map(w.t.Context(), j)
		if run, rerr := w.engine.Run(w.t.Context(), j.Args.Tenant, j.RunID); rerr != nil || run.Ended() {
			return run
		}
		if _, put := tasks.IsLater(err); !put {
			w.t.Fatalf("map: %v", err)
		}
	}
	w.t.Fatal("the run has not ended")
	return repo.Run{}
}

// outcomes returns the outcomes of a run's pairs as lines.
func outcomes(r repo.Run) []string {
	var lines []string
	for _, p := range r.Pairs {
		line := fmt.Sprintf("%d %s", p.Pair, p.Outcome)
		if p.Reason != "" {
			line += ": " + p.Reason
		}
		lines = append(lines, line)
	}
	return lines
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestMapOutcomes(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0, halotest.WithProfile(halotest.Profile{HiddenForbidden: true}))
	w.tenant.Add(
		halotest.Client{ID: 1, Name: "Unknown"}, halotest.Client{ID: 11, Name: "Eleven"}, halotest.Client{ID: 12, Name: "Twelve"},
		halotest.Client{ID: 13, Name: "Closed", Inactive: true}, halotest.Client{ID: 14, Name: "Hidden"},
		halotest.Client{ID: 15, Name: "Twin"}, halotest.Client{ID: 16, Name: "TWIN"}, halotest.Client{ID: 17, Name: "Twin Peaks"},
		halotest.Client{ID: 18, Name: "Café “Roma”"}, halotest.Client{ID: 19, Name: "Old and new"}, halotest.Client{ID: 20, Name: "Old and new", Inactive: true},
		halotest.Client{ID: 21, Name: "Broken"},
	)
	conn := w.connect("t1", "c")
	w.app.Rights(halotest.ReadSome(func(id int64) bool { return id != 14 }))
	w.app.Revoke()
	w.halo.Fault(halotest.Rule{ClientID: 21, Times: halotest.Forever}, halotest.Status(500, `{"message":"object reference"}`))
	w.engine = w.engine.With(func(c *enginetest.Config) { c.RetryBudget = 1 }) // 1 ns, so that the first failure counts
	ids := w.addCompanies("One", "Two", "two", "Three", "Four", "Café “ROMA”", "Five", "Six")
	if _, err := w.engine.AddCompanies(t.Context(), "t1", "test", []string{"External"}, "crm-1"); err != nil {
		t.Fatal(err)
	}
	run := w.mapAll(mapJob(conn, false, pairsOf(
		"one=11", "crm-1=12", "TWO=17", "Two=17", "Nobody=11", ids[3].String()+"=13", "Three=14", "Three=1", "Three=4711",
		"Three=Twin", "Three=Twin Peaks", "Three=No such", "café \"roma\"=CAFÉ “ROMA”", "Four=Old and new", "One=11", "Five=11", "One=19", "Six=21",
	)...))
	same(t, "outcomes", outcomes(run), []string{
		"1 mapped", "2 mapped",
		"3 refused: several companies have this name: " + ids[1].String() + ", " + ids[2].String(),
		"4 mapped",
		"5 refused: no company has this id, external id or name",
		"6 refused: client 13 (Closed) is inactive in Halo",
		"7 refused: the application's agent is not allowed to read client 14",
		`8 refused: client 1 is Halo's "Unknown" client, which collects unmatched records`,
		"9 refused: Halo shows no client 4711: it does not exist, or the agent may not read it",
		"10 refused: several clients in Halo have this name: 15, 16",
		"11 refused: contradicts pair 4, which maps the client to company " + ids[1].String(),
		"12 refused: no client in Halo has exactly this name",
		"13 mapped", "14 mapped", "15 already mapped",
		"16 refused: contradicts pair 1, which maps the client to company " + ids[0].String(),
		"17 refused: contradicts pair 1, which maps the company to client 11",
		`18 refused: client 21 could not be read: read client 21: status 500: object reference`,
	})
	if got, want := counts(run), "partial: 18 records, 0 created, 5 linked, 0 refreshed, 1 unchanged, 2 ambiguous, 0 skipped, 10 failed, complete"; got != want {
		t.Errorf("counts\n got %s\nwant %s", got, want)
	}
	same(t, "items", len(run.Items), 12)

	// The mappings of the first run conflict with the next request.
	run = w.mapAll(mapJob(conn, false, pairsOf("One=12", "Five=11", "One=11")...))
	same(t, "outcomes", outcomes(run), []string{
		"1 refused: the company is mapped to client 11 (Eleven); client 12 is mapped to company " + w.companyOf(12).String() + " (External)",
		"2 refused: client 11 is mapped to company " + ids[0].String() + " (One)",
		"3 already mapped",
	})
	for _, m := range w.mappings("t1") {
		if m.MappedBy != "map" || m.State != repo.MappingOK || m.LastVerifiedAt == nil || m.RunID == nil {
			t.Errorf("mapping %+v", m)
		}
	}
}

// companyOf returns the company that a client is mapped to.
func (w *fixture) companyOf(client int64) uuid.UUID {
	for _, m := range w.mappings("t1") {
		if m.ClientID == client {
			return m.CompanyID
		}
	}
	return uuid.Nil
}

func TestMapReplaces(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	w.tenant.Add(halotest.Client{ID: 11, Name: "Eleven"}, halotest.Client{ID: 12, Name: "Twelve"}, halotest.Client{ID: 13, Name: "Thirteen"})
	conn := w.connect("t1", "c")
	ids := w.addCompanies("One", "Two")
	w.mapAll(mapJob(conn, false, pairsOf("One=11", "Two=12")...))
	run := w.mapAll(mapJob(conn, true, pairsOf("One=12", "Two=11", "One=13")...))
	same(t, "outcomes", outcomes(run), []string{"1 mapped", "2 mapped", "3 refused: contradicts pair 1, which maps the company to client 12"})
	same(t, "removed", run.Removed, 2)
	same(t, "client 12", w.companyOf(12), ids[0])
	same(t, "client 11", w.companyOf(11), ids[1])

	id := run.ID
	events, err := w.store.Events(t.Context(), "t1", repo.EventFilter{RunID: &id})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(events)
	var lines []string
	for _, e := range events {
		lines = append(lines, fmt.Sprint(e.Action, " ", e.How, " ", *e.ClientID, " by ", e.Actor))
	}
	same(t, "events", lines, []string{
		"mapping.deleted replaced 11 by anna", "mapping.deleted replaced 12 by anna",
		"mapping.created map 12 by anna", "mapping.created map 11 by anna",
	})
	before := string(events[2].Before)
	for _, want := range []string{`"company": {`, `"client": {`, `"client_name": "Eleven"`, `"company_name": "Two"`} {
		if !strings.Contains(before, want) {
			t.Errorf("column before of the new mapping: %s, want it to contain %s", before, want)
		}
	}
	if events[0].Before == nil || !strings.Contains(string(events[0].Before), `"mapped_by": "map"`) {
		t.Errorf("column before of the deleted mapping: %s", events[0].Before)
	}
}

// If a mapped client has changed in Halo, a new map request refreshes the mapping and
// the catalogue.
func TestMapTellsWhatHaloSays(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	w.tenant.Add(halotest.Client{ID: 11, Name: "Eleven"})
	conn := w.connect("t1", "c")
	w.addCompanies("One")
	w.mapAll(mapJob(conn, false, pairsOf("One=11")...))
	w.tenant.Update(11, func(c *halotest.Client) { c.Name, c.Inactive = "Eleven B", true })
	run := w.mapAll(mapJob(conn, false, pairsOf("One=11")...))
	same(t, "outcomes", outcomes(run), []string{"1 already mapped: the client is inactive in Halo"})
	m := w.mappings("t1")[0]
	same(t, "mapping", []string{m.ClientName, string(m.State)}, []string{"Eleven B", "inactive"})
	same(t, "items for a person", len(run.Items), 0)
	id := run.ID
	events, err := w.store.Events(t.Context(), "t1", repo.EventFilter{RunID: &id})
	if err != nil || len(events) != 1 || events[0].Action != "mapping.refreshed" || events[0].How != "map" {
		t.Errorf("events %+v, %v", events, err)
	}
}
