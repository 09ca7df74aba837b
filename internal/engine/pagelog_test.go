package engine_test

import (
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/repo"
)

// Each transaction of a listing writes a log entry with its run, tenant and connection.
func TestPagesAreLogged(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 250)
	conn := w.connect("acme", "main")
	core, logs := observer.New(zap.DebugLevel)
	w.engine = w.engine.With(func(c *enginetest.Config) { c.Log = zap.New(core) })
	j := job(all(conn))
	if _, err := w.engine.Import(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	run := w.run(j)
	if run.State != repo.StateSucceeded && run.State != repo.StatePartial {
		t.Fatalf("%s: %s", run.State, run.Error)
	}
	lines := logs.FilterMessage("page written").All()
	pages, last := int64(0), int64(0)
	for _, line := range lines {
		fields := line.ContextMap()
		if fields["run"] != engine.RunID(run.ID) || fields["tenant"] != "acme" || fields["connection"] != conn.ID.String() {
			t.Errorf("%v", fields)
		}
		pages += fields["pages"].(int64)
		if page := fields["page"].(int64); page <= last {
			t.Errorf("page %d after %d", page, last)
		} else {
			last = page
		}
	}
	if int(pages) != run.Pages || last != pages {
		t.Errorf("%d pages in the log up to %d, %d in the ledger", pages, last, run.Pages)
	}
}
