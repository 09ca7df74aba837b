package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// request requests an import of all clients.
func (s *stage) request(conn repo.Connection) string {
	s.t.Helper()
	receipt, err := s.engine.RequestImport(s.t.Context(), s.who.Tenant, engine.ImportRequest{Connection: conn.ID.String(), All: true, RequestedBy: "key:ann"})
	if err != nil {
		s.t.Fatal(err)
	}
	return receipt.RunID
}

// A run's page polls until the run ends.
func TestWatchRun(t *testing.T) {
	t.Parallel()
	s := newStage(t, 7)
	conn := s.connect("main")
	id := s.request(conn)
	live := "/runs/" + id + "/live"

	a := s.get("/runs/"+id).wants(http.StatusOK, "Import of companies", "The run is waiting for a worker", "all Halo PSA companies", "key:ann", "main")
	polled := a.find("*", "hx-get", live)
	if len(polled) != 1 {
		t.Fatal("the page does not poll")
	}
	if swap, _ := attrOf(polled[0], "hx-swap"); swap != "innerHTML" || len(a.find("progress", "", "")) != 1 {
		t.Errorf("swap %q", swap)
	}
	if !strings.Contains(a.body, `<noscript><meta http-equiv="refresh"`) {
		t.Error("the page does not reload without scripts")
	}
	s.get(live).wants(http.StatusSeeOther)

	// The estimate is made at a fixed time after the start.
	begun := time.Now().Truncate(time.Second)
	s.console.now = func() time.Time { return begun.Add(10 * time.Second) }
	repotest.Exec(t, s.url, `update halosync.runs set state = 'running', started_at = $1, records = 100, records_total = 400, created = 90`, begun)
	part := s.get(live, "HX-Request", "true").wants(http.StatusOK, "The run is in progress", "100 of 400 companies, about 30s left", "Created 90")
	bar := part.find("progress", "", "")[0]
	value, _ := attrOf(bar, "value")
	if limit, _ := attrOf(bar, "max"); value != "100" || limit != "400" || strings.Contains(part.body, "<html") || part.head.Get("HX-Reswap") != "" {
		t.Errorf("%s of %s, %v\n%s", value, limit, part.head, part.body)
	}
	s.console.now = time.Now
	repotest.Exec(t, s.url, `update halosync.runs set state = 'queued', started_at = null, records = 0, records_total = 0, created = 0`)

	run := s.perform(id)
	last := s.get(live, "HX-Request", "true").wants(http.StatusOK, "The run is done", fmt.Sprintf("Created %d", run.Created))
	if last.head.Get("HX-Reswap") != "outerHTML" || len(last.find("*", "hx-get", "*")) != 0 || len(last.find("*", "hx-swap-oob", "*")) != 2 {
		t.Errorf("the page still polls after the end: %v\n%s", last.head, last.body)
	}
	ended := s.get("/runs/"+id).wants(http.StatusOK, "The run is done", "complete")
	if len(ended.find("*", "hx-get", "*")) != 0 || strings.Contains(ended.body, "http-equiv") {
		t.Error("the page of a finished run polls")
	}
	s.get("/runs/0193f2a4c5d77e0a9b1c2d3e4f506172/live", "HX-Request", "true").wants(http.StatusNotFound)
}

func TestRunActions(t *testing.T) {
	t.Parallel()
	s := newStage(t, 7)
	conn := s.connect("main")
	id := s.request(conn)
	s.follow(s.post("/runs/"+id+"/cancel")).wants(http.StatusOK, "Run cancelled", "The run was cancelled", "Retry")
	s.follow(s.post("/runs/"+id+"/cancel")).wants(http.StatusOK, "Run cancelled") // repeating it is safe

	again := s.post("/runs/" + id + "/retry")
	s.follow(again).wants(http.StatusOK, "The run is waiting")
	second := strings.TrimPrefix(again.head.Get("Location"), "/runs/")
	if second == id {
		t.Fatal("the retry did not start a new run")
	}
	a := s.post("/runs/" + second + "/undo")
	if a.wants(http.StatusConflict); !strings.Contains(a.role("alert"), "has ended") || strings.Contains(a.role("alert"), "enqueue") {
		t.Errorf("undo of a run that has not ended: %q", a.role("alert"))
	}
	if run := s.perform(second); run.Created != 6 {
		t.Fatalf("created %d", run.Created)
	}
	s.get("/runs/"+second).wants(http.StatusOK, "Run again", "Undo this run")
	s.follow(s.post("/runs/"+second+"/cancel")).wants(http.StatusOK, "The run had already ended")
	s.post("/runs/" + second + "/approve").wants(http.StatusConflict)
	s.follow(s.post("/runs/"+second+"/undo")).wants(http.StatusOK, "Undone: 6 mappings and 6 companies")
	if n := len(s.mappings(repo.MappingFilter{})); n != 0 {
		t.Errorf("%d mappings are left", n)
	}
	s.post("/runs/nonsense/cancel").wants(http.StatusNotFound)
}

// The page of a held run shows why the run is waiting for a person.
func TestApproveRun(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	conn := s.connect("main")
	s.importAll(conn)
	receipt, err := s.engine.RequestResync(t.Context(), "acme", conn.ID.String(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	repotest.Exec(t, s.url, `update halosync.runs set state = 'held', started_at = now(), finished_at = now(), error = '900 of 1000 would be missing' where id = $1::uuid`, receipt.RunID)
	a := s.get("/runs/"+receipt.RunID).wants(http.StatusOK, "a person must approve", "900 of 1000 would be missing", "Approve")
	if strings.Contains(textOf(a.doc), "Retry") {
		t.Error("a held run offers a retry")
	}
	s.follow(s.post("/runs/"+receipt.RunID+"/approve")).wants(http.StatusOK, "The run is saved", "The run is waiting") // the stage has no queue
}

// Items that need a person's attention have names and links.
func TestRunShowsWhatNeedsAPerson(t *testing.T) {
	t.Parallel()
	s := newStage(t, 4)
	conn := s.connect("main")
	s.importAll(conn)
	list := s.mappings(repo.MappingFilter{})
	added, err := s.engine.AddCompanies(t.Context(), "acme", "ann", []string{"Fresh Ltd"}, "")
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := s.engine.RequestMap(t.Context(), "acme", engine.MapRequest{Connection: "main", RequestedBy: "ann", Pairs: []tasks.Pair{
		{Company: added[0].ID.String(), ClientID: list[0].ClientID}, // a client that is mapped already
		{Company: "Nobody Ltd", ClientID: list[1].ClientID},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.perform(receipt.RunID)
	const why = "2 pairs cannot be mapped: client"
	listed := s.get("/runs?kind=map").rows()
	if len(listed) != 1 || !strings.HasPrefix(listed[0][3], "partial "+why) || listed[0][8] != "2" || listed[0][9] != "0" {
		t.Errorf("list %q", listed)
	}
	a := s.get("/runs/"+receipt.RunID).wants(http.StatusOK, "Needs a person (2)", "2 pairs", "something could not be read or done", why)
	rows := a.rows()
	if len(rows) != 4 {
		t.Fatalf("rows %q", rows)
	}
	if want := fmt.Sprintf("%s #%d for Fresh Ltd", list[0].ClientName, list[0].ClientID); rows[0][0] != want || rows[0][1] != "refused" {
		t.Errorf("row %q, want %q", rows[0], want)
	}
	if rows[3][0] != "Nobody Ltd" || rows[3][1] != list[1].ClientName {
		t.Errorf("row %q", rows[3])
	}
	to := fmt.Sprintf("/map?connection=%s&client=%d", conn.ID, list[0].ClientID)
	if got := a.link(fmt.Sprintf("Map by hand %d", list[0].ClientID)); got != to {
		t.Errorf("link %q, want %q", got, to)
	}
}

func TestRunsAreListed(t *testing.T) {
	t.Parallel()
	s := newStage(t, 2)
	s.get("/runs").wants(http.StatusOK, "No runs yet")
	conn := s.connect("main")
	// All runs have the same time, as scheduled runs do.
	repotest.Exec(t, s.url, `
		insert into halosync.runs (id, tenant, connection_id, kind, request_key, state, finished_at, error)
		select gen_random_uuid(), 'acme', $1, 'resync', 'k' || i, 'failed', now(), 'nr ' || i from generate_series(1, 70) i`, conn.ID)
	s.request(conn)
	seen := map[string]bool{}
	next := "/runs"
	for _, want := range []int{50, 21} {
		a := s.get(next)
		next = a.link("Older")
		rows := a.rows()
		if len(rows) != want {
			t.Fatalf("%d rows, want %d", len(rows), want)
		}
		for _, row := range rows {
			seen[row[3]] = true
		}
	}
	if len(seen) != 71 {
		t.Errorf("%d different runs on two pages, want 71", len(seen))
	}
	for query, want := range map[string]int{"kind=import": 1, "state=queued": 1, "kind=map": 0, "connection=" + conn.ID.String() + "&state=failed": 50} {
		if rows := s.get("/runs?" + query).rows(); len(rows) != want {
			t.Errorf("%s: %d rows, want %d", query, len(rows), want)
		}
	}
	s.get("/runs?kind=x").wants(http.StatusUnprocessableEntity)
	s.get("/runs?kind=map").wants(http.StatusOK, "No run matches")
}

func TestDryRunIsAPreview(t *testing.T) {
	t.Parallel()
	s := newStage(t, 4)
	conn := s.connect("main")
	receipt, err := s.engine.RequestImport(t.Context(), "acme", engine.ImportRequest{Connection: "main", All: true, DryRun: true, RequestedBy: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	s.perform(receipt.RunID)
	a := s.get("/runs/"+receipt.RunID).wants(http.StatusOK, "Preview of an import", "Nothing was written")
	if strings.Contains(textOf(a.doc), "Undo") || a.link("Import") != "/import?connection="+conn.ID.String() {
		t.Error("a preview offers an undo, or has no link to the import")
	}
}

func TestEventsAreReadable(t *testing.T) {
	t.Parallel()
	s := newStage(t, 4)
	s.get("/events").wants(http.StatusOK, "No events yet")
	conn := s.connect("main")
	s.importAll(conn)
	m := s.mappings(repo.MappingFilter{})[0]
	name := "renamed"
	if _, err := s.store.UpdateConnection(t.Context(), "acme", "key:ann", conn.ID, repo.ConnectionChange{Name: &name}); err != nil {
		t.Fatal(err)
	}
	row := s.get("/events").rows()[0]
	if row[1] != "key:ann" || !strings.HasPrefix(row[2], "connection.") || row[3] != "name: main → renamed" {
		t.Errorf("row %q", row)
	}
	if rows := s.get("/events?mapping=" + m.ID.String()).rows(); len(rows) != 1 || !strings.Contains(rows[0][2], fmt.Sprintf("#%d", m.ClientID)) {
		t.Errorf("events of a mapping: %q", rows)
	}
	if rows := s.get("/events?run=" + repo.Hex(*m.RunID)).rows(); len(rows) != 6 { // three companies and their mappings
		t.Errorf("%d events of the run: %q", len(rows), rows)
	}
	s.get("/events?since="+time.Now().AddDate(0, 0, 2).Format(time.DateOnly)).wants(http.StatusOK, "No event matches")
	for _, query := range []string{"since=yesterday", "mapping=x", "run=1"} {
		s.get("/events?" + query).wants(http.StatusUnprocessableEntity)
	}
	repotest.Exec(t, s.url, `insert into halosync.events (tenant, actor, action) select 'acme', 'x' || i, 'noted' from generate_series(1, 60) i`)
	a := s.get("/events")
	if first := a.rows(); len(first) != 50 || first[0][1] != "x60" {
		t.Errorf("%d rows", len(first))
	}
	if a = s.get(a.link("Older")); a.rows()[0][1] != "x10" || a.link("Newest") != "/events" {
		t.Errorf("second page begins with %q", a.rows()[0])
	}
}

func TestReceipts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		receipt    engine.Receipt
		kind, want string
	}{
		{engine.Receipt{}, "", "done"},
		{engine.Receipt{Existing: true}, "", "already in progress"},
		{engine.Receipt{NotQueued: http.ErrServerClosed}, "warn", "as soon as the queue is back"},
	} {
		if f := receiptFlash(tt.receipt, "done"); f.Kind != tt.kind || !strings.Contains(f.Text, tt.want) {
			t.Errorf("%+v: %+v", tt.receipt, f)
		}
	}
	undo := undoFlash(engine.Undo{Unmapped: 1, Removed: 2, Gone: 1, LeftCount: 2, Left: []repo.Kept{{Reason: "somebody renamed it"}}})
	if want := "Undone: 1 mapping and 2 companies. 1 more had already been deleted. Left unchanged: 2, the first because somebody renamed it."; undo.Text != want || undo.Kind != "warn" {
		t.Errorf("%+v", undo)
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ before, after, want string }{
		{`{"a":"x","b":1,"c":null}`, `{"a":"y","b":1,"d_e":true}`, `[{a x y} {d e  true}]`},
		{``, `{"name":"Acme"}`, `[{name  Acme}]`},
		{`{"name":"Acme"}`, `null`, `[{name Acme }]`},
		{`{"at":"2026-11-28T05:57:10.875123+01:00"}`, ``, `[{at 2026-11-28 04:57:10 UTC }]`},
		{`[1,2]`, `"x"`, `[{value [1,2] x}]`},
		{``, ``, `[]`},
	} {
		if got := fmt.Sprint(changes(json.RawMessage(tt.before), json.RawMessage(tt.after))); got != tt.want {
			t.Errorf("%s, %s: %s, want %s", tt.before, tt.after, got, tt.want)
		}
	}
}
