package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// outcomeLines returns outcomes as lines, without the mappings.
func outcomeLines(outcomes []repo.MappingOutcome) []string {
	var lines []string
	for _, o := range outcomes {
		line := string(o.Outcome)
		if o.Reason != "" {
			line += ": " + o.Reason
		}
		lines = append(lines, line)
	}
	return lines
}

func TestUnmapNow(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 2)
	a, b := w.connect("t1", "a"), w.connect("t1", "b")
	w.importAll(a)
	w.importAll(b)
	m := w.mappings("t1")
	got := w.unmapNow(m[0].ID, m[3].ID, m[0].ID, uuid.New())
	same(t, "outcomes", outcomeLines(got), []string{"unmapped", "unmapped", `does not exist: "enqueue mappings" shows those of this tenant`})
	same(t, "again", outcomeLines(w.unmapNow(m[0].ID)), []string{"already unmapped"})
	same(t, "left", len(w.mappings("t1")), 2)
	_, err := w.engine.UnmapNow(t.Context(), "t1", "anna", []string{m[1].ID.String(), "frob"})
	var usage *engine.UsageError
	if !errors.As(err, &usage) || len(w.mappings("t1")) != 2 {
		t.Errorf("an invalid id: %v, %d mappings", err, len(w.mappings("t1")))
	}
}

// If clients are unmapped between two pages of a running import, the import does not
// map them again. This holds whether or not the import has already reached them, and
// also in a second pass.
func TestUnmapWinsOverImport(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 300)
	conn := w.connect("t1", "c")
	w.importAll(conn)
	byClient := make(map[int64]uuid.UUID)
	for _, m := range w.mappings("t1") {
		byClient[m.ClientID] = m.ID
	}
	done := false
	w.halo.AfterPage(func(e halotest.PageEvent) {
		// Client 5 is on page 1. Client 290 is on page 3, which has not been written yet.
		if e.Page == 2 && !done {
			done = true
			w.unmap(byClient[5], byClient[290])
			w.tenant.Delete(150) // the list changes: it is read again
		}
	})
	run := w.importAll(conn)
	if !done || run.State != repo.StateSucceeded || run.Created+run.Linked != 0 || run.Passes < 2 {
		t.Errorf("%s, %d passes", counts(run), run.Passes)
	}
	for _, m := range w.mappings("t1") {
		if m.ClientID == 5 || m.ClientID == 290 {
			t.Errorf("client %d is mapped again", m.ClientID)
		}
	}
	same(t, "mappings", len(w.mappings("t1")), 298)
}

// If a mapping that a running import created is unmapped, the import does not
// create it again.
func TestUnmapWinsOverTheRunThatMadeIt(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 300)
	conn := w.connect("t1", "c")
	var gone uuid.UUID
	w.halo.AfterPage(func(e halotest.PageEvent) {
		if m := w.mappings("t1"); e.Page == 3 && gone == uuid.Nil && len(m) > 0 {
			gone = m[0].ID
			w.unmap(gone)
			w.tenant.Delete(150)
		}
	})
	j := job(all(conn))
	stopped := make(chan struct{})
	close(stopped)
	j.Draining = stopped // one page per execution, so that page 1 is written before page 3 is read
	run := w.finish(j)
	if gone == uuid.Nil || !run.Complete {
		t.Fatalf("%s: nothing was unmapped", counts(run))
	}
	for _, m := range w.mappings("t1") {
		if m.ClientID == 2 {
			t.Errorf("mapping %+v", m)
		}
	}
}

func TestUnmapRun(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 3)
	conn, other := w.connect("t1", "c"), w.connect("t1", "other")
	w.importAll(conn)
	w.importAll(other)
	m := w.mappings("t1")
	w.unmap(m[0].ID)
	stranger := uuid.New()
	args := tasks.UnmapArgs{Tenant: "t1", ConnectionID: conn.ID.String(), RequestedBy: "bob"}
	for _, id := range []uuid.UUID{m[0].ID, m[1].ID, m[4].ID, stranger} {
		args.MappingIDs = append(args.MappingIDs, id.String())
	}
	j := tasks.Job[tasks.UnmapArgs]{RunID: tasks.NewRunID(), Args: args.Canonical(), Attempt: 1, Draining: make(chan struct{})}
	for range 2 { // the queue may deliver it again
		res, err := w.engine.Unmap(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "result", []any{res.State, res.Removed, res.Unchanged, res.Failed, res.Records}, []any{string(repo.StatePartial), 1, 1, 2, 4})
	}
	run, err := w.engine.Run(t.Context(), "t1", j.RunID)
	if err != nil || len(run.Items) != 2 || !strings.Contains(run.Items[0].Reason+run.Items[1].Reason, "another connection") {
		t.Errorf("items %+v, %v", run.Items, err)
	}
	same(t, "left", len(w.mappings("t1")), 4)
	id := m[1].ID
	events, err := w.store.Events(t.Context(), "t1", repo.EventFilter{MappingID: &id, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "event", []any{events[0].Action, events[0].Actor, events[0].RunID != nil, events[0].After == nil}, []any{"mapping.deleted", "bob", true, true})
}
