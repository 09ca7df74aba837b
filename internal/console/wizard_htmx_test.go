package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
)

// quick presses a button as htmx does. The argument into is the id of the part of the page
// to replace.
func (s *stage) quick(a *answer, button, into string, changes ...edit) *answer {
	s.t.Helper()
	_, v := s.filled(a, button, changes...)
	b, form := a.button(button)
	path := attr(b, "hx-post")
	if path == "" {
		s.t.Fatalf("%s: the button %q has no hx-post", a.what, button)
	}
	if got := strings.TrimPrefix(attr(form, "hx-target"), "#"); into == "" {
		into = got
	}
	return s.ask(http.MethodPost, path, v, "HX-Request", "true", "HX-Target", into)
}

// With htmx the same buttons return only the part that changes. The status for screen
// readers is an out-of-band swap.
func TestWizardsWithHTMX(t *testing.T) {
	t.Parallel()
	s := hasty(t, 0)
	ids := s.named("Aaron Ltd", "Brown Ltd", "Cole Ltd")
	s.existing("Aaron", "Brown")
	s.connect("Main")
	part := func(a *answer, status string) {
		t.Helper()
		a.lacks("<html", "<h1")
		if got := a.find("p", "hx-swap-oob", "innerHTML"); len(got) != 1 || textOf(got[0]) != status {
			t.Errorf("%s: status %q, want %q", a.what, a.role("status"), status)
		}
	}

	p := s.press(s.get("/import"), "Get companies", typed("page_size", "2"))
	a := s.quick(p, "Next page", "", ticked("tick", ids[0])).wants(200, "Page 2 of 2", "Cole Ltd", "1 company chosen")
	part(a, "1 company chosen.")
	if at := a.head.Get("HX-Replace-Url"); !strings.Contains(at, "page=2") {
		t.Errorf("the browser's URL becomes %q", at)
	}
	table := p.find("table", "hx-post", "/import/pick")
	if len(table) != 1 || attr(table[0], "hx-vals") != `{"do":"tick"}` {
		t.Fatalf("the table does not send ticks: %v", table)
	}
	_, v := s.filled(p, "get", ticked("tick", ids[1]))
	v.Set("do", "tick")
	s.halo.ResetLog()
	a = s.ask(http.MethodPost, "/import/pick", v, "HX-Request", "true", "HX-Target", "chosen").wants(200, "Brown Ltd", "1 company chosen")
	part(a, "1 company chosen.")
	a.lacks("Get companies")
	if n := s.halo.Log().Requests; n != 0 {
		t.Errorf("a tick costs %d requests to Halo", n)
	}

	m := s.get("/map")
	_, v = s.filled(m, "add", typed("client_search", "cole"))
	v.Set("do", "find-clients")
	s.ask(http.MethodPost, "/map", v, "HX-Request", "true", "HX-Target", "client-options").wants(200, "Cole Ltd").lacks("Brown Ltd", "<html")
	v.Set("do", "find-companies")
	v.Set("company_search", "brown")
	s.ask(http.MethodPost, "/map", v, "HX-Request", "true", "HX-Target", "company-options").wants(200, "Brown").lacks("Aaron", "<html")
	s.halo.Fault(halotest.Rule{Times: halotest.Forever}, halotest.Throttle(time.Hour))
	v.Set("do", "find-clients")
	a = s.ask(http.MethodPost, "/map", v, "HX-Request", "true", "HX-Target", "client-options").wants(429, "Aaron Ltd")
	if !strings.Contains(a.role("alert"), "limits requests") {
		t.Errorf("the alert says %q", a.role("alert"))
	}
}

// The progress of suggestions polls until the run ends, then loads the suggestions with the
// pairs that the user has added meanwhile.
func TestMapSuggestionsLive(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	ids := s.named("Aaron Bakery Ltd", "Brown Bakery Ltd")
	own := s.existing("Aaron Bakery", "Brown Bakery")
	conn := s.connect("Main")
	p := s.quick(s.get("/map"), "Find suggestions", "").wants(200, "Suggestions are being computed.").lacks("<h1")
	run := s.computing(p)
	live := s.get("/map/suggestions/"+run, "HX-Request", "true").wants(200, "wait to be computed").lacks("<html")
	if got := live.find("div", "hx-trigger", "every 1s"); len(got) != 1 || len(live.find("progress", "", "")) != 1 {
		t.Errorf("the progress does not poll:\n%s", live.body)
	}
	if to := s.get("/map/suggestions/" + run).wants(http.StatusSeeOther).head.Get("Location"); to != "/map?connection="+conn.ID.String() {
		t.Errorf("without htmx, the URL leads to %s", to)
	}
	p = s.press(p, "add", ticked("company", own[0]), ticked("client", ids[0])).wants(200, "1 pair to map", "wait to be computed")
	s.perform(run)
	live = s.get("/map/suggestions/"+run, "HX-Request", "true").wants(200)
	got := live.find("div", "hx-trigger", "load")
	if len(got) != 1 || attr(got[0], "hx-target") != "#suggestions" || attr(got[0], "hx-vals") != `{"do":"suggestions"}` {
		t.Fatalf("the progress does not load the suggestions:\n%s", live.body)
	}
	_, v := s.filled(p, "add")
	v.Set("do", "suggestions")
	a := s.ask(http.MethodPost, attr(got[0], "hx-post"), v, "HX-Request", "true", "HX-Target", "suggestions").wants(200, "Suggestions of 20", "Brown Bakery Ltd")
	a.lacks("Aaron Bakery Ltd", "Pairs to map", "Search")
	if got := a.find("p", "hx-swap-oob", "innerHTML"); len(got) != 1 || textOf(got[0]) != "1 suggestion. 1 pair on the list." {
		t.Errorf("status %q", a.role("status"))
	}
	imported := s.importAll(conn)
	s.get("/map/suggestions/"+imported.ID.String(), "HX-Request", "true").wants(http.StatusNotFound)
}

// The preview's progress display polls until the run ends, then loads the whole page.
func TestImportPreviewLive(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	ids := s.named("Aaron Ltd", "Brown Ltd")
	s.existing("Aaron Ltd", "Aaron Ltd")
	s.connect("Main")
	p := s.press(s.get("/import"), "Get companies")
	p = s.press(p, "Next", ticked("tick", ids[0]), ticked("tick", ids[1])).wants(200)
	run := s.previewOf(p)
	live := s.get("/import/preview/"+run, "HX-Request", "true").wants(200, "is waiting to start").lacks("<html")
	if got := live.find("div", "hx-trigger", "every 1s"); len(got) != 1 || len(live.find("progress", "", "")) != 1 {
		t.Errorf("the progress does not poll:\n%s", live.body)
	}
	s.perform(run)
	live = s.get("/import/preview/"+run, "HX-Request", "true").wants(200)
	if got := live.find("div", "hx-trigger", "load"); len(got) != 1 || attr(got[0], "hx-post") != "/import/preview" {
		t.Errorf("the progress does not load the whole page:\n%s", live.body)
	}
	// The item that needs a person's attention shows the name of the chosen company.
	s.press(p, "Refresh").wants(200, "ambiguous 1", "Aaron Ltd number "+ids[0], "2 unmapped companies have this name")
	if other := s.get("/runs/" + run); other.code == 200 {
		other.lacks("will be created")
	}
	real := s.importAll(s.connect("Other"))
	s.get("/import/preview/" + real.ID.String()).wants(http.StatusNotFound)
}

// A failed preview shows the reason and can be repeated. Going back cancels a running
// preview.
func TestImportPreviewFailsAndStops(t *testing.T) {
	t.Parallel()
	s := hasty(t, 5)
	s.connect("Main")
	p := s.press(s.get("/import"), "Next", ticked("choice", "all")).wants(200)
	first := s.previewOf(p)
	s.press(p, "Back").wants(200, "Get companies")
	if run, err := s.engine.Run(t.Context(), "acme", first); err != nil || run.State != "cancelled" {
		t.Errorf("the preview is %s, %v", run.State, err)
	}
	p = s.press(p, "Refresh").wants(200, "The preview was cancelled").lacks(`id="finish"`)
	p = s.press(p, "Repeat the preview").wants(200, "is waiting to start")
	if s.previewOf(p) == first {
		t.Error("repeating the preview did not start a new one")
	}
	s.halo.Fault(halotest.Rule{Times: halotest.Forever}, halotest.Status(403, ""))
	s.perform(s.previewOf(p))
	p = s.press(p, "Refresh").wants(200, "The preview failed").lacks(`id="finish"`)
	if p.role("alert") == "" {
		t.Error("no alert")
	}
}
