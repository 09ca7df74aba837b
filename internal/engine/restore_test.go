package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/repo"
)

func (w *fixture) restore(ids ...uuid.UUID) []repo.MappingOutcome {
	w.t.Helper()
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	outcomes, err := w.engine.Restore(w.t.Context(), "t1", "bob", texts)
	if err != nil {
		w.t.Fatal(err)
	}
	return outcomes
}

// mapped adds a company and a mapping for each client and returns the mappings, keyed by
// client id.
func (w *fixture) mapped(conn repo.Connection) map[int64]repo.Mapping {
	w.t.Helper()
	w.importAll(conn)
	byClient := make(map[int64]repo.Mapping)
	for _, m := range w.mappings("t1") {
		byClient[m.ClientID] = m
	}
	return byClient
}

func TestRestore(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 8)
	conn := w.connect("t1", "c")
	m := w.mapped(conn)
	w.unmap(m[2].ID, m[3].ID, m[4].ID, m[5].ID, m[6].ID, m[7].ID)
	w.tenant.Rename(2, "Renamed")
	w.tenant.Deactivate(3)
	w.tenant.Delete(4)
	// Create conflicts: map client 5's company to another client, and client 6 to another
	// company.
	w.addCompanies("Other")
	w.tenant.Add(halotest.Client{ID: 50, Name: "Fifty"})
	run := w.mapAll(mapJob(conn, false, pairsOf(m[5].CompanyID.String()+"=50", "Other=6")...))
	same(t, "mapped in between", run.Linked, 2)

	got := w.restore(m[2].ID, m[3].ID, m[4].ID, m[5].ID, m[6].ID, m[8].ID, uuid.New())
	same(t, "outcomes", outcomeLines(got), []string{
		"restored", "restored", "restored: restored; Halo does not show its client: it was deleted, or the agent may not read it",
		"refused: its company is now mapped to client 50 (Fifty)",
		"refused: its client is now mapped to company " + w.companyOf(6).String() + " (Other)",
		"in force already", `does not exist: "enqueue mappings --unmapped" shows those that can be restored`,
	})
	after := make(map[int64]string)
	for _, n := range w.mappings("t1") {
		if n.MappedBy == "restore" {
			after[n.ClientID] = fmt.Sprint(n.ID == m[n.ClientID].ID, " ", n.MappedAt.After(m[n.ClientID].MappedAt), " ", n.State, " ", n.ClientInactive, " ", n.ClientName == m[n.ClientID].ClientName)
		}
	}
	same(t, "restored", after, map[int64]string{
		2: "true true ok false false", 3: "true true inactive true true", 4: "true true missing false true",
	})
	id := m[2].ID
	events, err := w.store.Events(t.Context(), "t1", repo.EventFilter{MappingID: &id, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	e := events[0]
	if e.Action != "mapping.restored" || e.Actor != "bob" || !strings.Contains(string(e.Before), `"deleted_by": "anna"`) || !strings.Contains(string(e.After), "Renamed") {
		t.Errorf("event %+v: %s %s", e, e.Before, e.After)
	}

	// If Halo is down, mappings are restored after a single failed request.
	w.unmap(m[2].ID, m[8].ID)
	w.halo.Fault(halotest.Rule{Times: halotest.Forever}, halotest.Status(503, ""))
	w.engine = w.engine.With(func(c *enginetest.Config) { c.RetryBudget = 1 })
	for _, o := range w.restore(m[2].ID, m[8].ID) {
		if o.Outcome != repo.Restored || o.Mapping.State != repo.MappingUnverified || !strings.HasPrefix(o.Reason, "restored; Halo could not be read: ") {
			t.Errorf("restored without Halo: %+v", o)
		}
	}
	if n := w.halo.Log().Statuses[503]; n > 2 {
		t.Errorf("%d requests to a Halo that is down", n)
	}
}

// If one request restores two deleted mappings of the same client, the first mapping
// wins.
func TestRestoreOneOfTwo(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 1)
	conn := w.connect("t1", "c")
	first := w.mapped(conn)[2]
	w.unmap(first.ID)
	w.addCompanies("Other")
	w.mapAll(mapJob(conn, false, pairsOf("Other=2")...))
	second := w.mappings("t1")[0]
	w.unmap(second.ID)
	got := outcomeLines(w.restore(second.ID, first.ID))
	same(t, "outcomes", got, []string{"restored", "refused: its client is now mapped to company " + second.CompanyID.String() + " (Other)"})
}

// An agent without rights gets a 404 for every client. This proves nothing.
func TestRestoreByABlindAgent(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 3)
	conn := w.connect("t1", "c")
	m := w.mapped(conn)
	w.unmap(m[2].ID, m[3].ID)
	w.app.Rights(halotest.ReadNone)
	w.restore(m[2].ID, m[3].ID)
	for _, n := range w.mappings("t1") {
		if n.ID != m[4].ID && (n.State != repo.MappingUnverified || !strings.Contains(n.StateReason, "lacks the right to read customers")) {
			t.Errorf("client %d: %s, %q", n.ClientID, n.State, n.StateReason)
		}
	}
}
