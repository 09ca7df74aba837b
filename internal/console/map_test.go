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
		{"company_search", strings.Repeat("x", 201), "Too long"},
		{"client_search", "\x1b[0m", "cannot be searched for"},
		{"do", "drop:7", "Start again"},
		{"do", "accept:1", "Start again"},
		{"do", "dismiss:" + own[0] + ":x", "Start again"},
		{"do", "accept:" + own[0] + ":" + ids[0], "no longer available"},
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

// computing returns the id of the run that the page waits for.
func (s *stage) computing(a *answer) string {
	s.t.Helper()
	for _, div := range a.find("div", "id", "computing") {
		if id, ok := strings.CutPrefix(attr(div, "hx-get"), "/map/suggestions/"); ok {
			return id
		}
	}
	s.t.Fatalf("%s: no suggestions are being computed:\n%s", a.what, textOf(a.doc))
	return ""
}

// A run computes suggestions while the user continues to work. The page then shows them,
// until another run replaces them.
func TestMapSuggestions(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	s.named("Aaron Bakery Ltd", "Brown Bakery Ltd", "Something else", "Cole & Sons")
	own := s.existing("Aaron Bakery", "Brown Bakery", "Nobody", "Cole and Son")
	s.connect("Main")
	p := s.get("/map").wants(200, "None have been computed yet")
	p = s.press(p, "Find suggestions", typed("company_search", "bakery"), ticked("company", own[0])).wants(200, "The suggestions wait to be computed")
	run := s.computing(p)
	if again := s.computing(s.press(s.get("/map"), "Refresh")); again != run {
		t.Errorf("another page waits for run %s, want %s", again, run)
	}
	s.perform(run)
	p = s.press(p, "Refresh", typed("client_search", "aaron")).wants(200, "3 suggestions.", "Suggestions of 20", "%")
	if _, v := s.filled(p, "add"); v.Get("company") != own[0] || v.Get("company_search") != "bakery" || v.Get("client_search") != "aaron" {
		t.Errorf("the form is now %v", v)
	}
	s.get("/map").wants(200, "Suggestions of 20", "Aaron Bakery Ltd", "Refresh suggestions")
	p = s.press(p, "Dismiss Brown Bakery and Brown Bakery Ltd").wants(200, "It will not be shown again")
	p = s.press(p, "Add Aaron Bakery and Aaron Bakery Ltd").wants(200, "1 pair to map")
	p = s.press(p, "Refresh suggestions").wants(200, "1 pair to map", "wait to be computed", "Cole and Son")
	s.perform(s.computing(p))
	p = s.press(p, "Refresh").wants(200, "1 suggestion.", "1 pair to map")
	p = s.press(p, "Add Cole and Son and Cole & Sons").wants(200, "2 pairs to map", "already on the list")
	p = s.press(p, "Remove pair 2: Cole and Son and Cole & Sons").wants(200, "1 pair to map")
	p.button("Add Cole and Son and Cole & Sons") // offered again
	done := s.press(p, "Finish").wants(http.StatusSeeOther)
	s.perform(strings.TrimPrefix(done.head.Get("Location"), "/runs/"))
	if got, want := s.mapped(), []string{"Aaron Bakery = Aaron Bakery Ltd by suggest"}; !slices.Equal(got, want) {
		t.Errorf("mapped: %q, want %q", got, want)
	}
	s.press(p, "Add Cole and Son and Cole & Sons").wants(200, "2 pairs to map")
	s.get("/map").wants(200, "Cole and Son").lacks("Add Aaron Bakery and", "Add Brown Bakery and")
}

// The page shows the best suggestions; when the user has decided on one, the next one appears.
func TestMapShowsTheBestSuggestions(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	var own, theirs []string
	for i := range maxOffers + 2 {
		name := strings.Repeat(string(rune('a'+i/26))+string(rune('a'+i%26)), 4)
		own, theirs = append(own, name), append(theirs, name+" Ltd")
	}
	s.named(theirs...)
	s.existing(own...)
	s.connect("Main")
	p := s.press(s.get("/map"), "Find suggestions")
	s.perform(s.computing(p))
	p = s.press(p, "Refresh").wants(200, "52 suggestions.", "These are the best 50 of 52.")
	if n := len(p.rows()); n != maxOffers {
		t.Errorf("%d suggestions", n)
	}
	for left := maxOffers + 1; left > maxOffers-1; left-- {
		first := p.rows()[0][0]
		p = s.press(p, "Dismiss "+first+" and "+first+" Ltd").wants(200)
		if n, more := len(p.rows()), strings.Contains(textOf(p.doc), "These are the best"); n != min(left, maxOffers) || more != (left > maxOffers) {
			t.Errorf("%d suggestions of %d; said that there are more: %v", n, left, more)
		}
	}
}

// If a suggestion was accepted or dismissed elsewhere, the page says so.
func TestMapSuggestionGone(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	s.named("Aaron Bakery Ltd")
	s.existing("Aaron Bakery")
	s.connect("Main")
	p := s.press(s.get("/map"), "Find suggestions")
	s.perform(s.computing(p))
	p = s.press(p, "Refresh").wants(200, "1 suggestion.")
	s.press(p, "Dismiss Aaron Bakery and Aaron Bakery Ltd").wants(200, "No unmapped companies look alike")
	for _, button := range []string{"Add", "Dismiss"} {
		s.press(p, button+" Aaron Bakery and Aaron Bakery Ltd").wants(422, "This suggestion is no longer available.", "0 pairs to map")
	}
}

// A failed run keeps the earlier suggestions. No run can be requested while the connection
// is paused or needs new credentials.
func TestMapSuggestionsFail(t *testing.T) {
	t.Parallel()
	s := hasty(t, 0)
	s.named("Aaron Bakery Ltd")
	s.existing("Aaron Bakery")
	conn := s.connect("Main")
	p := s.press(s.get("/map"), "Find suggestions")
	s.perform(s.computing(p))
	p = s.press(p, "Refresh").wants(200, "1 suggestion.")
	p = s.press(p, "Add Aaron Bakery and Aaron Bakery Ltd").wants(200, "1 pair to map")
	p = s.press(p, "Refresh suggestions")
	cancelled := s.computing(p)
	s.post("/runs/" + cancelled + "/cancel").wants(http.StatusSeeOther)
	p = s.press(p, "Refresh").wants(200, "Computing the suggestions was cancelled. The earlier suggestions are kept.", "1 pair to map")
	s.get("/runs/"+cancelled).wants(200, "The earlier suggestions are kept")
	s.post("/connections/" + conn.ID.String() + "/pause").wants(http.StatusSeeOther)
	paused := s.get("/map")
	paused.wants(paused.code, "This connection is paused. Resume it to compute suggestions.", "Suggestions of 20").button("Add Aaron Bakery and Aaron Bakery Ltd")
	if len(paused.find("button", "id", "suggest")) != 0 {
		t.Error("a button for suggestions although the connection is paused")
	}
	s.press(p, "Try again").wants(http.StatusConflict, "1 pair to map", "is paused")
	s.post("/connections/" + conn.ID.String() + "/resume").wants(http.StatusSeeOther)
	run := s.computing(s.press(p, "Try again"))
	s.halo.Fault(halotest.Rule{Route: halotest.RouteList, Times: halotest.Forever}, halotest.Status(403, ""))
	s.perform(run)
	_, v := s.filled(p, "add")
	v.Set("do", "suggestions")
	failed := s.ask(http.MethodPost, "/map", v).wants(200, "1 pair to map", "Suggestions of 20", "This connection needs new credentials. Enter them")
	if got := failed.role("alert"); !strings.Contains(got, "The suggestions could not be computed. The earlier suggestions are kept.") || !strings.Contains(got, "status 403") {
		t.Errorf("the alert says %q", got)
	}
}

// The page of a run shows what the run found, and leads back to the wizard.
func TestSuggestRunPage(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	s.named("Aaron Bakery Ltd", "Something else")
	s.existing("Aaron Bakery")
	conn := s.connect("Main")
	run := s.computing(s.press(s.get("/map"), "Find suggestions"))
	s.get("/runs/"+run).wants(200, "Suggestions", "waiting for a worker")
	s.perform(run)
	a := s.get("/runs/"+run).wants(200, "1 pair may be the same company.", "2 of 2 companies").lacks("Show changes")
	a.sound()
	if to := a.link("Show suggestions"); to != "/map?connection="+conn.ID.String() {
		t.Errorf("the link leads to %q", to)
	}
	if to := s.as("acme", access.Read).get("/runs/"+run).wants(200, "1 pair").link("Show suggestions"); to != "" {
		t.Error("a reader gets a link to the wizard")
	}
	if rows := s.get("/runs?kind=suggest").wants(200).rows(); len(rows) != 1 || rows[0][1] != "suggest" {
		t.Errorf("runs: %q", rows)
	}
	later := s.follow(s.post("/runs/" + run + "/retry"))
	s.perform(strings.TrimPrefix(later.find("form", "action", "*")[1].Attr[1].Val, "/runs/")[:32])
	s.get("/runs/" + run).wants(200).lacks("1 pair may be")
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
	run := s.computing(s.press(p, "Find suggestions"))
	other.get("/map/suggestions/"+run, "HX-Request", "true").wants(http.StatusNotFound)
	s.as("acme", access.Read).get("/map/suggestions/"+run, "HX-Request", "true").wants(http.StatusForbidden)
	s.perform(run)
	other.post("/map", "connection", conn, "do", "suggest").wants(http.StatusNotFound)
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
	m = s.press(s.press(m, "Remove pair 1: "+name+" and "+name), "Find suggestions")
	s.perform(s.computing(m))
	s.press(m, "Refresh").wants(200, "1 suggestion.", name).lacks("<script>alert")
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
