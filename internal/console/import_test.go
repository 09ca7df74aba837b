package console

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/repo"
)

// adds clients with these names to Halo and returns their ids.
func (s *stage) named(names ...string) (ids []string) {
	for _, name := range names {
		id := int64(len(s.tenant.IDs()) + 11) // client 1 always exists in Halo
		s.tenant.Add(halotest.Client{ID: id, Name: name})
		ids = append(ids, fmt.Sprint(id))
	}
	return ids
}

// A user searches, chooses three companies on two pages, removes one, opens the preview
// and finishes. The import contains exactly the chosen companies.
func TestImportWizard(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	s.named("Aaron Bakery", "Brown Bakery", "Cole Bakery", "Dunn Brewery")
	conn := s.connect("Main")

	p := s.get("/import").wants(200, "Import companies", "Get companies", "Next")
	p = s.press(p, "Get companies", typed("search", "bakery"), typed("page_size", "2"))
	p.wants(200, "3 companies in Halo PSA that match “bakery ”", "Page 1 of 2", "0 companies chosen")
	if got := names(p); !slices.Equal(got, []string{"Aaron Bakery", "Brown Bakery"}) {
		t.Fatalf("first page: %q", got)
	}
	p = s.press(p, "Next page", ticked("tick", s.id(p, "Aaron Bakery")), ticked("tick", s.id(p, "Brown Bakery")))
	p.wants(200, "2 companies chosen", "Page 2 of 2")
	p = s.press(p, "Get companies", ticked("tick", s.id(p, "Cole Bakery")), typed("search", "brewery"))
	p.wants(200, "1 company in Halo PSA", "3 companies chosen", "Dunn Brewery")
	if got := p.entries("entries"); len(got) != 3 {
		t.Fatalf("chosen: %q", got)
	}
	p = s.press(p, "Remove Brown Bakery").wants(200, "2 companies chosen", "Brown Bakery removed.")

	p = s.press(p, "Next").wants(200, "2 chosen companies of Main", "The preview is waiting to start")
	p.lacks(`id="finish"`)
	s.perform(s.previewOf(p))
	p = s.press(p, "Refresh").wants(200, "will be created 2", "will be skipped 0", "Finish")
	if n := len(s.mappings(repo.MappingFilter{})); n != 0 {
		t.Fatalf("the preview mapped %d companies", n)
	}

	back := s.press(p, "Back").wants(200, "2 companies chosen", "Dunn Brewery", "Get companies")
	if got := back.entries("entries"); !slices.Equal(got, []string{"Aaron Bakery Remove", "Cole Bakery Remove"}) {
		t.Fatalf("after going back: %q", got)
	}

	done := s.press(p, "Finish").wants(http.StatusSeeOther)
	again := s.press(p, "Finish").wants(http.StatusSeeOther)
	run, ok := strings.CutPrefix(done.head.Get("Location"), "/runs/")
	if !ok || again.head.Get("Location") != done.head.Get("Location") {
		t.Fatalf("two submits lead to %q and %q", done.head.Get("Location"), again.head.Get("Location"))
	}
	if r := s.perform(run); r.Created != 2 || r.ConnectionID != conn.ID || r.RequestedBy != "key:test" {
		t.Errorf("run: %+v", r)
	}
	// A mapped company shows its mapping and cannot be chosen.
	p = s.get("/import?" + url.Values{"connection": {conn.ID.String()}, "search": {"bakery"}}.Encode())
	p.wants(200, "mapped to Aaron Bakery")
	if n := len(p.find("input", "name", "tick")); n != 1 {
		t.Errorf("%d companies can be chosen, want Brown Bakery alone", n)
	}
}

// names returns the names of the companies in the table.
func names(a *answer) (names []string) {
	for _, r := range a.rows() {
		names = append(names, r[1])
	}
	return names
}

// id returns the id of a company in the table.
func (s *stage) id(a *answer, name string) string {
	s.t.Helper()
	for _, r := range a.rows() {
		if r[1] == name {
			return r[2]
		}
	}
	s.t.Fatalf("%s: there is no %q in %q", a.what, name, a.rows())
	return ""
}

// previewOf returns the id of a preview's run.
func (s *stage) previewOf(a *answer) string {
	s.t.Helper()
	fields := a.find("input", "name", "run")
	if len(fields) != 1 {
		s.t.Fatalf("%s: no preview in\n%s", a.what, a.body)
	}
	return attr(fields[0], "value")
}

func TestImportWholePageSearchAndAll(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	s.named("Aaron Bakery", "Brown Bakery", "Cole Bakery", "Dunn Brewery")
	s.connect("Main")
	p := s.press(s.get("/import"), "Get companies", typed("search", "bakery"))
	p = s.press(p, "Select all on this page").wants(200, "3 companies chosen")
	p = s.press(p, "Select none on this page").wants(200, "0 companies chosen")
	p = s.press(p, "Select all on this page")
	p = s.press(p, "Remove all").wants(200, "0 companies chosen")

	s.press(p, "Next").wants(422, "No company is chosen")
	s.press(p, "Next", ticked("choice", "search"), typed("search", " ")).wants(422, "Enter a search text")
	for choice, want := range map[string]string{"search": "3", "all": "4"} {
		p := s.press(p, "Next", ticked("choice", choice))
		p.wants(200, map[string]string{"search": "All companies that match “bakery ” of Main", "all": "All companies of Main"}[choice])
		s.perform(s.previewOf(p))
		s.press(p, "Refresh").wants(200, "will be created "+want)
	}
}

// A list has a URL. A new search starts at the first page. A page after the last one is
// refused.
func TestImportListing(t *testing.T) {
	t.Parallel()
	s := newStage(t, 30)
	s.connect("Main")
	first := s.press(s.get("/import"), "Get companies", typed("page_size", "10"), typed("page", "2"))
	first.wants(200, "Page 2 of 3")
	moved := s.press(first, "Get companies", typed("search", "a")).wants(http.StatusSeeOther)
	at, err := url.Parse(moved.head.Get("Location"))
	if err != nil || at.Query().Get("page") != "1" || at.Query().Get("search") != "a" {
		t.Errorf("a new search leads to %s", at)
	}
	s.press(first, "Get companies", typed("page", "9")).wants(422, "The list has only 3 pages.")
	empty := s.follow(s.press(first, "Get companies", typed("search", "nobody has this name")))
	empty.wants(200, "No company in Halo PSA matches", "Inactive companies are not included")
	if empty.role("alert") != "" {
		t.Errorf("an empty list is shown as a failure: %s", empty.role("alert"))
	}
}

// If Halo fails, the page shows an alert and keeps the selection and the list.
func TestImportKeepsChoiceOverFailure(t *testing.T) {
	t.Parallel()
	s := hasty(t, 30)
	s.connect("Main")
	p := s.press(s.get("/import"), "Get companies", typed("page_size", "10"))
	p = s.press(p, "Select all on this page").wants(200, "10 companies chosen")
	for _, fault := range []struct {
		halotest.Fault
		code int
		says string
	}{
		{halotest.Status(503, "<html>"), 502, "Halo PSA has a problem"},
		{halotest.Throttle(time.Hour), 429, "Wait a few minutes"},
		{halotest.HTML200(), 502, "The answer is not from Halo PSA"},
	} {
		s.halo.Fault(halotest.Rule{Route: halotest.RouteList, Times: halotest.Forever}, fault.Fault)
		for _, button := range []string{"Next page", "Get companies"} {
			failed := s.press(p, button).wants(fault.code, "10 companies chosen", "Page 1 of 3")
			if !strings.Contains(failed.role("alert"), fault.says) {
				t.Errorf("%s after %d: the alert says %q", button, fault.code, failed.role("alert"))
			}
			if n := len(failed.find("input", "name", "picked")); n != 10 {
				t.Errorf("%s after %d: %d of 10 are still chosen", button, fault.code, n)
			}
		}
		s.get("/import?page=1").wants(fault.code).lacks("No company in Halo PSA matches", "<table")
		s.halo.ClearFaults()
		s.press(p, "Next page").wants(200, "10 companies chosen", "Page 2 of 3")
	}
}

// Neither users with the scope read nor other tenants get the pages or the runs.
func TestImportStrangers(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	conn := s.connect("Main")
	p := s.get("/import?connection=" + conn.ID.String() + "&page=1")
	p = s.press(p, "Select all on this page")
	reader, other := s.as("acme", access.Read), s.as("globex", access.Admin)
	for path, method := range map[string]string{"/import": http.MethodGet, "/import/pick": http.MethodPost, "/import/preview": http.MethodPost, "/map": http.MethodGet} {
		if got := reader.ask(method, path, url.Values{}).code; got != http.StatusForbidden {
			t.Errorf("%s %s by a reader: %d", method, path, got)
		}
	}
	reader.press(p, "Next").wants(http.StatusForbidden)
	other.get("/import?connection=" + conn.ID.String() + "&page=1").wants(http.StatusNotFound).lacks(">Main")
	other.press(p, "Get companies").wants(http.StatusNotFound)
	other.press(p, "Next").wants(http.StatusNotFound)
	mine := s.press(p, "Next").wants(200)
	other.get("/import/preview/" + s.previewOf(mine)).wants(http.StatusNotFound)
	runs, err := s.store.Runs(t.Context(), "globex", repo.RunFilter{})
	if err != nil || len(runs) != 0 {
		t.Errorf("globex has runs: %v, %v", runs, err)
	}
}

// A value that no page sends is reported at its field, and no run is requested.
func TestImportRefusesNonsense(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	conn := s.connect("Main").ID.String()
	for _, c := range []struct{ field, value, says string }{
		{"page", "0", "from 1 to 1000000"},
		{"page", "x", "from 1 to 1000000"},
		{"page_size", "101", "from 1 to 100"},
		{"page_size", "-1", "from 1 to 100"},
		{"search", strings.Repeat("a", 201), "Too long"},
		{"search", "a\x00b", "cannot be searched for"},
		{"choice", "none", "Choose one of the three"},
	} {
		for _, path := range []string{"/import/pick", "/import/preview", "/import"} {
			a := s.post(path, "connection", conn, c.field, c.value).wants(422, c.says)
			if !strings.Contains(a.role("alert"), c.says) {
				t.Errorf("%s=%q: the alert says %q", c.field, c.value, a.role("alert"))
			}
		}
	}
	for field, value := range map[string]string{"picked": "{}", "row": "12", "tick": "7", "listed": "[]"} {
		s.post("/import", "connection", conn, "choice", "all", field, value).wants(422)
		s.post("/import/preview", "connection", conn, "choice", "all", field, value).wants(422)
	}
	s.post("/import/pick", "connection", conn, "do", "nonsense").wants(422)
	s.post("/import/pick", "connection", "").wants(200) // selects the only connection
	runs, err := s.store.Runs(t.Context(), "acme", repo.RunFilter{})
	if err != nil || len(runs) != 0 {
		t.Errorf("runs: %v, %v", runs, err)
	}
}

// An import is refused if its connection is paused or if it has more companies than the
// maximum. The selection is kept.
func TestImportRefusalsKeepTheChoice(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	s.named("Aaron Bakery", "Brown Bakery", "Cole Bakery")
	conn := s.connect("Main")
	p := s.press(s.press(s.get("/import"), "Get companies"), "Select all on this page").wants(200, "3 companies chosen")
	full := func(_ *answer, _ *html.Node, v url.Values) {
		v.Del("picked")
		for id := range maxPicks - 1 {
			v.Add("picked", fmt.Sprintf(`{"id":%d,"name":"x"}`, 1000+id))
		}
	}
	over := s.press(p, "Next", full).wants(422, "1,000 companies chosen", "2 were left out")
	if !strings.Contains(over.role("alert"), "at most 1,000 companies") {
		t.Errorf("the alert says %q", over.role("alert"))
	}
	if _, err := s.engine.PauseConnection(t.Context(), "acme", "test", conn.ID.String()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/import/preview", "/import"} {
		_, v := s.filled(p, "Next")
		a := s.ask(http.MethodPost, path, v).wants(http.StatusConflict, "3 companies chosen")
		if !strings.Contains(a.role("alert"), "paused") {
			t.Errorf("%s: the alert says %q", path, a.role("alert"))
		}
	}
}
