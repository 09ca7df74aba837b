package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/dispatch"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

func (w *fixture) undo(runID string) engine.Undo {
	w.t.Helper()
	u, err := w.engine.UndoRun(w.t.Context(), "t1", "carol", runID)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func TestUndoDeletesWhatWasNotChanged(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 1200) // enough for three batches
	conn := w.connect("t1", "c")
	w.addCompanies(w.tenant.Clients()[0].Name) // client 2 is linked, not created
	j := job(all(conn))
	if run := w.finish(j); run.Created != 1199 || run.Linked != 1 {
		t.Fatal(counts(run))
	}
	m := make(map[int64]repo.Mapping)
	for _, one := range w.mappings("t1") {
		m[one.ClientID] = one
	}
	w.tenant.Rename(3, "Renamed")
	w.importAll(conn) // a second import changes no mappings
	w.unmap(m[4].ID, m[5].ID)
	w.restore(m[5].ID)
	w.unmap(m[6].ID)
	w.tenant.Add(halotest.Client{ID: 5000, Name: "New"})
	same(t, "mapped otherwise", w.mapAll(mapJob(conn, false, pairsOf(m[6].CompanyID.String()+"=5000")...)).Linked, 1)

	u := w.undo(j.RunID)
	same(t, "undo", []int{u.Unmapped, u.Removed, u.Gone, u.LeftCount}, []int{1197, 1197, 2, 2})
	reasons := []string{u.Left[0].Reason, u.Left[1].Reason}
	same(t, "left", reasons, []string{"changed by anna since (mapping.deleted)", "it is mapped to client 5000 (New)"})
	same(t, "mappings left", len(w.mappings("t1")), 2)
	same(t, "companies left", len(w.companies("t1")), 3)
	deleted, err := w.store.Mappings(t.Context(), "t1", repo.MappingFilter{Deleted: true, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "deleted by", deleted[0].DeletedBy, "carol")
	id := m[7].ID
	events, err := w.store.Events(t.Context(), "t1", repo.EventFilter{MappingID: &id, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "event", []string{events[0].Action, events[0].How}, []string{"mapping.deleted", "undo of run " + j.RunID})
	same(t, "restore without a company", outcomeLines(w.restore(m[7].ID)), []string{"refused: its company was deleted"})

	again := w.undo(j.RunID)
	same(t, "again", []int{again.Unmapped, again.Removed, again.Gone, again.LeftCount}, []int{0, 0, 1199 + 1197, 2})
}

// An import that was requested before the undo and runs afterwards does not create the
// mappings again. An import that was requested after the undo creates them again.
func TestUndoWinsOverAnEarlierRequest(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 120)
	conn := w.connect("t1", "c")
	first, queued := job(all(conn)), job(all(conn))
	w.finish(first)
	row, err := dispatch.NewRun(repo.KindImport, queued.RunID, queued.Args)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.store.CreateRun(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	same(t, "undone", w.undo(first.RunID).Unmapped, 120)
	if run := w.finish(queued); run.Skipped != 120 || len(w.mappings("t1")) != 0 || len(w.companies("t1")) != 0 {
		t.Errorf("import that was requested before: %s, %d mappings", counts(run), len(w.mappings("t1")))
	}
	if run := w.importAll(conn); run.Created != 120 {
		t.Errorf("import that was requested after: %s", counts(run))
	}
}

func TestUndoRefuses(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 300)
	conn := w.connect("t1", "c")
	j := job(all(conn))
	w.before(3, func() {
		_, err := w.engine.UndoRun(t.Context(), "t1", "carol", j.RunID)
		var usage *engine.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), "is running") {
			t.Errorf("undo of a running run: %v", err)
		}
	})
	w.finish(j)
	args := all(conn)
	args.DryRun = true
	dry := job(args)
	w.finish(dry)
	same(t, "dry run", w.undo(dry.RunID), engine.Undo{RunID: dry.RunID})
	var missing *engine.NotFoundError
	if _, err := w.engine.UndoRun(t.Context(), "t1", "carol", uuid.NewString()); !errors.As(err, &missing) {
		t.Errorf("unknown run: %v", err)
	}
	same(t, "mappings", len(w.mappings("t1")), 300)

	// Map runs can be undone as well. Their companies are kept, because the run did not
	// create them.
	w.unmap(w.mappings("t1")[0].ID)
	mj := mapJob(conn, false, pairsOf(w.tenant.Clients()[0].Name+"=2")...)
	same(t, "mapped", w.mapAll(mj).Linked, 1)
	u := w.undo(mj.RunID)
	same(t, "undo of a map run", []int{u.Unmapped, u.Removed, u.LeftCount, len(w.companies("t1"))}, []int{1, 0, 0, 300})
}
