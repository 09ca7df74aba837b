package engine_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// A run of any kind with a failed or ambiguous item is partial and says why. A run
// that did everything has succeeded, even if it is a preview.
func TestNothingFailedSucceeds(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0, halotest.WithProfile(halotest.Profile{HiddenForbidden: true}))
	w.tenant.Add(
		halotest.Client{ID: 1, Name: "Unknown"}, halotest.Client{ID: 11, Name: "Twice"}, halotest.Client{ID: 12, Name: "Fine"},
		halotest.Client{ID: 13, Name: "\u200b"}, halotest.Client{ID: 14, Name: "Closed", Inactive: true}, halotest.Client{ID: 15, Name: "Hidden"},
		halotest.Client{ID: 16, Name: "Also fine"},
	)
	conn := w.connect("t1", "c")
	w.app.Rights(halotest.ReadSome(func(id int64) bool { return id != 15 }))
	w.app.Revoke()
	w.addCompanies("Twice", "Twice", "Free")
	ids := func(dry bool, ids ...int64) func() repo.Run {
		args := all(conn)
		args.All, args.ClientIDs, args.DryRun = false, ids, dry
		return func() repo.Run { return w.finish(job(args)) }
	}
	search := func(text string) func() repo.Run {
		args := all(conn)
		args.All, args.Search = false, text
		return func() repo.Run { return w.finish(job(args)) }
	}
	pairs := func(texts ...string) func() repo.Run {
		return func() repo.Run { return w.mapAll(mapJob(conn, false, pairsOf(texts...)...)) }
	}
	unmap := func(ids ...uuid.UUID) func() repo.Run {
		return func() repo.Run {
			args := tasks.UnmapArgs{Tenant: "t1", ConnectionID: conn.ID.String(), RequestedBy: "bob"}
			for _, id := range ids {
				args.MappingIDs = append(args.MappingIDs, id.String())
			}
			j := tasks.Job[tasks.UnmapArgs]{RunID: tasks.NewRunID(), Args: args.Canonical(), Attempt: 1, Draining: make(chan struct{})}
			if _, err := w.engine.Unmap(t.Context(), j); err != nil {
				t.Fatal(err)
			}
			run, err := w.engine.Run(t.Context(), "t1", j.RunID)
			if err != nil {
				t.Fatal(err)
			}
			return run
		}
	}
	for _, tt := range []struct {
		name  string
		run   func() repo.Run
		state repo.RunState
		why   string
	}{
		{"preview, all well", ids(true, 12), repo.StateSucceeded, ""},
		{"preview, ids that do not exist", ids(true, 12, 777), repo.StatePartial, "1 client cannot be imported: Halo does not show it: it does not exist, or the agent may not read it"},
		{"ids that do not exist", ids(false, 777, 778), repo.StatePartial, "2 clients cannot be imported: Halo does not show it: it does not exist, or the agent may not read it (2)"},
		{"the Unknown client", ids(false, 1), repo.StatePartial, "1 client cannot be imported: Halo's \"Unknown\" client, which collects unmatched records"},
		{"a client without a name", ids(false, 13), repo.StatePartial, "1 client cannot be imported: has no name in Halo"},
		{"a client that the agent may not read", ids(false, 15), repo.StatePartial, "1 client cannot be imported: the application's agent is not allowed to read this client"},
		{"an ambiguous client", search("Twice"), repo.StatePartial, "1 client cannot be imported: 2 unmapped companies have this name: map the client to one of them"},
		{"all well", ids(false, 12, 14), repo.StateSucceeded, ""},
		{"unchanged", ids(false, 12, 14), repo.StateSucceeded, ""},
		{"pairs refused", pairs("nobody=11", "nothing=11", "Free=4711", "Free=14"), repo.StatePartial,
			"4 pairs cannot be mapped: no company has this id, external id or name (2); Halo shows no client 4711: it does not exist, or the agent may not read it"},
		{"an ambiguous pair", pairs("Twice=11"), repo.StatePartial, "1 pair cannot be mapped: several companies have this name"},
		{"a pair", pairs("Free=16"), repo.StateSucceeded, ""},
		{"the same pair", pairs("Free=16"), repo.StateSucceeded, ""},
		{"a mapping that does not exist", unmap(uuid.New()), repo.StatePartial, "1 mapping cannot be unmapped: mapping "},
	} {
		run := tt.run()
		if run.State != tt.state || !strings.HasPrefix(run.Error, tt.why) || (run.Error == "") != (tt.why == "") {
			t.Errorf("%s: %s, error %q; want %s, %q", tt.name, counts(run), run.Error, tt.state, tt.why)
		}
		if needs := run.Failed + run.Ambiguous; run.State == repo.StatePartial && (needs == 0 || len(run.Items) != needs) {
			t.Errorf("%s: %d failed or ambiguous, %d items", tt.name, needs, len(run.Items))
		}
	}
	m := w.mappings("t1")[0]
	if run := unmap(m.ID)(); run.State != repo.StateSucceeded || run.Removed != 1 {
		t.Errorf("unmapped: %s", counts(run))
	}
	if run := unmap(m.ID)(); run.State != repo.StateSucceeded {
		t.Errorf("unmapped already: %s", counts(run))
	}
	// An import of everything, including one client without a name.
	if run := w.importAll(conn); run.State != repo.StatePartial || !run.Complete || !strings.Contains(run.Error, "has no name in Halo") {
		t.Errorf("all: %s, %q", counts(run), run.Error)
	}
}

// The task's result contains the reasons, for a product that can access only the queue.
func TestResultHasReasons(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 5)
	conn := w.connect("t1", "c")
	company := w.addCompanies("Free")[0]
	j := mapJob(conn, false, pairsOf("nobody=3", "Free=4711", "Free=2")...)
	for range 2 { // the queue may deliver it again
		got, err := w.engine.Map(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "state", []any{got.State, got.Linked, got.Failed, got.Complete}, []any{"partial", 1, 2, true})
		same(t, "items", got.Items, []tasks.ResultItem{
			{ClientID: 3, Pair: 1, Outcome: "refused", Reason: "no company has this id, external id or name"},
			{CompanyID: company.String(), Pair: 2, Outcome: "refused", Reason: "Halo shows no client 4711: it does not exist, or the agent may not read it"},
		})
		same(t, "more items", got.MoreItems, false)
	}
}
