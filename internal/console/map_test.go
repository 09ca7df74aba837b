package console

import (
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

// existing adds companies and returns their ids.
func (s *stage) existing(names ...string) (ids []string) {
	s.t.Helper()
	added, err := s.engine.AddCompanies(s.t.Context(), s.who.Tenant, "test", names, "")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range added {
		ids = append(ids, c.ID.String())
	}
	return ids
}

// mapped returns the active mappings as sorted strings: company, client and author.
func (s *stage) mapped() (pairs []string) {
	for _, m := range s.mappings(repo.MappingFilter{}) {
		pairs = append(pairs, m.CompanyName+" = "+m.ClientName+" by "+m.MappedBy)
	}
	slices.Sort(pairs)
	return pairs
}

// A user adds two pairs, removes one and chooses a third. The pairs on the list and the
// chosen pair are mapped.
func TestMapWizard(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	ids := s.named("Aaron Ltd", "Brown Ltd", "Cole Ltd")
	own := s.existing("Aaron", "Brown", "Cole")
	s.connect("Main")

	p := s.get("/map").wants(200, "Map existing company", "Existing company", "Halo PSA company", "0 pairs to map")
	if got := p.entries("options"); len(got) != 6 {
		t.Fatalf("the pickers offer %q", got)
	}
	p = s.press(p, "Find", typed("company_search", "aar"), typed("client_search", "aaron"))
	if got := p.entries("options"); len(got) != 2 || !strings.HasPrefix(got[0], "Aaron not mapped") || !strings.HasPrefix(got[1], "Aaron Ltd number 11") {
		t.Fatalf("found: %q", got)
	}
	p = s.press(p, "add", ticked("company", own[0]), ticked("client", ids[0])).wants(200, "1 pair to map", "Pair added.")
	p = s.press(p, "Find", typed("company_search", ""), typed("client_search", "")).wants(200, "1 pair to map")

	// A search on one side keeps the choice on the other.
	p = s.press(p, "Find", ticked("company", own[2]), typed("client_search", "brown"))
	p = s.press(p, "add", ticked("client", ids[1])).wants(200, "2 pairs to map")
	p = s.press(p, "Remove pair 2: Cole and Brown Ltd").wants(200, "1 pair to map", "Pair removed.")
	p = s.press(p, "Find", typed("client_search", ""))

	finish := []edit{ticked("company", own[1]), ticked("client", ids[1])}
	done := s.press(p, "Finish", finish...).wants(http.StatusSeeOther)
	again := s.press(p, "Finish", finish...).wants(http.StatusSeeOther)
	run, ok := strings.CutPrefix(done.head.Get("Location"), "/runs/")
	if !ok || again.head.Get("Location") != done.head.Get("Location") {
		t.Fatalf("two submits lead to %q and %q", done.head.Get("Location"), again.head.Get("Location"))
	}
	s.perform(run)
	if got, want := s.mapped(), []string{"Aaron = Aaron Ltd by map", "Brown = Brown Ltd by map"}; !slices.Equal(got, want) {
		t.Errorf("mapped: %q, want %q", got, want)
	}
	// Unmapped companies come first; mapped ones show their mapping.
	got := s.get("/map").entries("options")
	if !strings.HasPrefix(got[0], "Cole not mapped") || !strings.HasPrefix(got[1], "Aaron mapped to Aaron Ltd") {
		t.Errorf("existing companies: %q", got)
	}
}

func TestMapRefusesHalfAPair(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	ids := s.named("Aaron Ltd", "Brown Ltd")
	own := s.existing("Aaron", "Brown")
	s.connect("Main")
	p := s.get("/map")
	s.press(p, "Finish").wants(422, "No pair yet")
	s.press(p, "add").wants(422, "Choose an existing company here.", "Choose a Halo PSA company here.")
	half := s.press(p, "add", ticked("company", own[0])).wants(422, "Choose a Halo PSA company here.")
	p = s.press(half, "add", ticked("client", ids[0])).wants(200, "1 pair to map")
	s.press(p, "add", ticked("company", own[0]), ticked("client", ids[0])).wants(422, "already on the list, as pair 1")
	s.press(p, "add", ticked("company", own[0]), ticked("client", ids[1])).wants(422, "Pair 1 already maps this existing company")
	s.press(p, "add", ticked("company", own[1]), ticked("client", ids[0])).wants(422, "Pair 1 already maps this Halo PSA company")

	conn := attr(p.find("input", "name", "connection")[0], "value")
	for _, c := range []struct{ field, value, says string }{
		{"company", "nobody", "Unknown existing company"},
		{"client", "99", "This Halo PSA company is not on the list"},
		{"pair", "{}", "could not be read"},
		{"offer", "7", "could not be read"},
		{"company_search", strings.Repeat("x", 201), "Too long"},
		{"client_search", "\x1b[0m", "cannot be searched for"},
		{"do", "drop:7", "Start again"},
		{"do", "nonsense", "Start again"},
	} {
		s.post("/map", "connection", conn, c.field, c.value).wants(422, c.says)
	}
	stranger := s.as("globex", access.Write).existing("Theirs")[0]
	s.press(p, "add", func(_ *answer, _ *html.Node, v url.Values) { v.Set("company", stranger); v.Set("client", ids[1]) }).
		wants(422, "no longer exists").lacks("Theirs")
	if runs, err := s.store.Runs(t.Context(), "acme", repo.RunFilter{}); err != nil || len(runs) != 0 {
		t.Errorf("runs: %v, %v", runs, err)
	}
}

// Current mappings are shown, and replaced only after confirmation.
func TestMapReplaces(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	ids := s.named("Aaron Ltd", "Brown Ltd")
	s.importAll(s.connect("Main"))
	own := s.existing("Aaron & Sons")

	p := s.press(s.get("/map"), "add", ticked("company", own[0]), ticked("client", ids[0]))
	p.wants(200, "Replaces: the Halo PSA company is mapped to “Aaron Ltd”", "Replace current mappings of 1 pair")
	s.press(p, "Finish").wants(422, "1 pair is mapped elsewhere. Choose to replace")
	done := s.press(p, "Finish", ticked("replace", "1")).wants(http.StatusSeeOther)
	s.perform(strings.TrimPrefix(done.head.Get("Location"), "/runs/"))
	if got, want := s.mapped(), []string{"Aaron & Sons = Aaron Ltd by map", "Brown Ltd = Brown Ltd by import"}; !slices.Equal(got, want) {
		t.Errorf("mapped: %q, want %q", got, want)
	}
}

func TestMapSuggestions(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	s.named("Aaron Bakery Ltd", "Brown Bakery Ltd", "Something else")
	s.existing("Aaron Bakery", "Brown Bakery", "Nobody")
	conn := s.connect("Main")
	s.press(s.get("/map"), "Show suggestions").wants(200, "0 suggestions.")
	s.performSuggestions()
	p := s.press(s.get("/map"), "Show suggestions").wants(200, "2 suggestions.", "%")
	p = s.press(p, "Dismiss Brown Bakery and Brown Bakery Ltd").wants(200, "It will not be shown again")
	p = s.press(p, "Add Aaron Bakery and Aaron Bakery Ltd").wants(200, "1 pair to map")
	p = s.press(p, "Refresh suggestions").wants(200, "0 suggestions.", "No unmapped companies look alike", "1 pair to map")
	done := s.press(p, "Finish").wants(http.StatusSeeOther)
	s.perform(strings.TrimPrefix(done.head.Get("Location"), "/runs/"))
	if got, want := s.mapped(), []string{"Aaron Bakery = Aaron Bakery Ltd by suggest"}; !slices.Equal(got, want) {
		t.Errorf("mapped: %q, want %q", got, want)
	}
	s.performSuggestions()
	again, err := s.engine.Suggestions(t.Context(), "acme", conn.ID.String(), repo.SuggestionFilter{MinScore: 0.5})
	if err != nil || len(again.Pairs) != 0 {
		t.Errorf("suggested again: %+v, %v", again.Pairs, err)
	}
}

// performSuggestions executes the run that a page has requested.
func (s *stage) performSuggestions() {
	s.t.Helper()
	runs, err := s.store.Runs(s.t.Context(), "acme", repo.RunFilter{Kind: repo.KindSuggest, Limit: 1})
	if err != nil || len(runs) != 1 {
		s.t.Fatalf("%d runs: %v", len(runs), err)
	}
	if run := s.perform(repo.Hex(runs[0].ID)); run.State != repo.StateSucceeded {
		s.t.Fatalf("%s: %s", run.State, run.Error)
	}
}

// If Halo fails, the page shows an alert and keeps the pairs, the lists and the choice.
func TestMapKeepsPairsOverFailure(t *testing.T) {
	t.Parallel()
	s := hasty(t, 0)
	ids := s.named("Aaron Ltd", "Brown Ltd")
	own := s.existing("Aaron", "Brown")
	s.connect("Main")
	p := s.press(s.get("/map"), "add", ticked("company", own[0]), ticked("client", ids[0]))
	for _, fault := range []struct {
		halotest.Fault
		code int
		says string
	}{
		{halotest.Status(500, ""), 502, "Halo PSA has a problem"},
		{halotest.Throttle(time.Hour), 429, "Wait a few minutes"},
	} {
		s.halo.Fault(halotest.Rule{Route: halotest.RouteList, Times: halotest.Forever}, fault.Fault)
		failed := s.press(p, "Find", typed("client_search", "brown"), ticked("company", own[1])).wants(fault.code, "1 pair to map", "Brown Ltd")
		if !strings.Contains(failed.role("alert"), fault.says) || strings.Contains(textOf(failed.doc), "no active company") {
			t.Errorf("after %d: the alert says %q", fault.code, failed.role("alert"))
		}
		s.press(failed, "add", ticked("client", ids[1])).wants(200, "2 pairs to map")
		s.get("/map").wants(fault.code).lacks("no active company")
		s.halo.ClearFaults()
	}
}

func TestMapStrangers(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	own := s.existing("Aaron")
	conn := s.connect("Main").ID.String()
	p := s.get("/map")
	s.as("acme", access.Read).get("/map").wants(http.StatusForbidden)
	s.as("acme", access.Read).press(p, "Finish").wants(http.StatusForbidden)
	other := s.as("globex", access.Admin)
	other.get("/map?connection=" + conn).wants(http.StatusNotFound).lacks("Aaron")
	other.press(p, "add", ticked("company", own[0])).wants(http.StatusNotFound).lacks("Aaron")
	other.post("/map", "do", "dismiss:1").wants(422)
}

// Names are always shown as plain text.
func TestWizardsEscapeNames(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	const name = `"><script>alert(1)</script>{{.}}`
	id := s.named(name)[0]
	own := s.existing(name)[0]
	s.connect(`<b>Main</b>`)
	p := s.press(s.get("/import"), "Get companies")
	p = s.press(p, "Select all on this page").wants(200, "1 company chosen", name).lacks("<script>alert", "<b>Main")
	p = s.press(p, "Remove "+name).wants(200, "0 companies chosen")
	p = s.press(p, "Next", ticked("tick", id)).wants(200).lacks("<script>alert", "<b>Main")
	s.press(p, "Back").wants(200, name, "1 company chosen").lacks("<script>alert", "<b>Main")
	m := s.press(s.get("/map"), "add", ticked("company", own), ticked("client", id))
	m.wants(200, "1 pair to map", name).lacks("<script>alert", "<b>Main")
	s.press(m, "Show suggestions").wants(200, name).lacks("<script>alert")
	s.performSuggestions()
	s.press(m, "Show suggestions").wants(200, name).lacks("<script>alert")
}

// Links on other pages preselect a company on either side.
func TestMapPreselects(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	s.named("Aaron Ltd", "Brown Ltd")
	s.existing("Brown Ltd", "Brown Ltd")
	conn := s.connect("Main")
	run := s.importAll(conn) // Brown Ltd is ambiguous
	own := s.existing("Someone")[0]
	if len(run.Items) != 1 {
		t.Fatalf("items: %+v", run.Items)
	}
	p := s.get("/map?connection=" + conn.ID.String() + "&client=12").wants(200)
	if got := p.entries("options"); !slices.ContainsFunc(got, func(o string) bool { return strings.HasPrefix(o, "Brown Ltd number 12") }) || slices.ContainsFunc(got, func(o string) bool { return strings.HasPrefix(o, "Aaron Ltd number") }) {
		t.Errorf("options: %q", got)
	}
	_, v := s.filled(p, "add")
	if v.Get("client") != "12" || v.Get("company") != "" {
		t.Errorf("chosen: %v", v)
	}
	_, v = s.filled(s.get("/map?company="+own).wants(200), "add")
	if v.Get("company") != own {
		t.Errorf("chosen: %v", v)
	}
	s.connect("Other") // the user must now choose a connection first; the company stays chosen
	p = s.press(s.get("/map?company="+own).wants(200), "Use this connection", typed("connection", conn.ID.String()))
	if _, v = s.filled(p, "add"); v.Get("company") != own {
		t.Errorf("form after choosing the connection: %v", v)
	}
	s.get("/map?connection=" + conn.ID.String() + "&client=x").wants(422)
	s.get("/map?company=x").wants(404)
	theirs := s.as("globex", access.Write).existing("Theirs")[0]
	s.get("/map?connection="+conn.ID.String()+"&company="+theirs).wants(422, "no longer exists").lacks("Theirs")
}
