package console

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// full returns a stage that has data for every page, and the URLs of all pages.
func full(t *testing.T) (*stage, []string) {
	t.Helper()
	s := newStage(t, 5)
	conn := s.connect("main")
	run := s.importAll(conn)
	if _, err := s.engine.AddCompanies(t.Context(), "acme", "ann", []string{"Lonely Ltd"}, "x-1"); err != nil {
		t.Fatal(err)
	}
	m := s.mappings(repo.MappingFilter{})[0]
	if _, err := s.engine.UnmapNow(t.Context(), "acme", "ann", []string{m.ID.String()}); err != nil {
		t.Fatal(err)
	}
	receipt, err := s.engine.RequestResync(t.Context(), "acme", conn.ID.String(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	return s, []string{
		"/connections", "/connections/new", "/connections/" + conn.ID.String(), "/connections/" + conn.ID.String() + "?remove=1",
		"/mappings", "/mappings?deleted=1", "/mappings?search=nothing-like-it", "/mappings?sort=company", "/companies", "/companies?unmapped=1",
		"/runs", "/runs/" + repo.Hex(run.ID), "/runs/" + receipt.RunID, "/events", "/events?run=" + repo.Hex(run.ID),
		"/security", "/sessions",
	}
}

// Each page is accessible, works without scripts, and contains nothing that the content
// security policy blocks.
func TestPagesAreSound(t *testing.T) {
	t.Parallel()
	s, paths := full(t)
	for _, path := range append(paths, "/no-such-page") {
		a := s.get(path)
		if a.code != http.StatusOK && path != "/no-such-page" {
			t.Errorf("%s: status %d\n%s", path, a.code, textOf(a.doc))
		}
		a.sound()
	}
	w := httptest.NewRecorder()
	s.console.SignInPage(w, httptest.NewRequest(http.MethodGet, "/signin", nil), 401, "That key is not known.", "/runs")
	doc, err := html.Parse(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := &answer{t: t, what: "sign in", code: w.Code, head: w.Header(), doc: doc}
	a.wants(401, "That key is not known.").sound()
	if got := a.find("input", "name", "next"); len(got) != 1 {
		t.Error("the sign-in page does not keep the path in next")
	}
	w = httptest.NewRecorder()
	s.console.ChangePage(w, httptest.NewRequest(http.MethodGet, "/signin/change", nil), access.Change{
		From: s.who, To: access.Principal{Tenant: "evil", Actor: "user:<b>mallory</b>"}, Path: "/connections/new",
	})
	if doc, err = html.Parse(w.Body); err != nil {
		t.Fatal(err)
	}
	a = &answer{t: t, what: "sign in as someone else", code: w.Code, head: w.Header(), doc: doc}
	a.wants(200, "You are signed in as test of acme", "signs you in as <b>mallory</b> of evil").sound()
	if form := a.find("form", "action", "/signin/change"); len(form) != 1 || len(a.find("input", "value", "/connections/new")) != 1 {
		t.Error("the page does not keep the path in next")
	}
}

var inline = regexp.MustCompile(`^on[a-z]+$|^style$|^hx-(on|vals|vars|headers)`)

// sound checks the rules that apply to every page.
func (a *answer) sound() {
	a.t.Helper()
	if n := len(a.find("h1", "", "")); n != 1 {
		a.t.Errorf("%s: %d h1", a.what, n)
	}
	ids, labels := map[string]bool{}, map[string]bool{}
	for _, n := range a.find("label", "for", "*") {
		name, _ := attrOf(n, "for")
		labels[name] = true
	}
	for n := range a.doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		for _, at := range n.Attr {
			if inline.MatchString(at.Key) || strings.HasPrefix(strings.ToLower(at.Val), "javascript:") {
				a.t.Errorf("%s: <%s %s=%q> is inline code or style", a.what, n.Data, at.Key, at.Val)
			}
			if at.Key == "id" {
				if ids[at.Val] {
					a.t.Errorf("%s: id %q twice", a.what, at.Val)
				}
				ids[at.Val] = true
			}
		}
		a.soundElement(n, labels)
	}
	for _, label := range a.find("*", "aria-describedby", "*") {
		if id, _ := attrOf(label, "aria-describedby"); !ids[id] {
			a.t.Errorf("%s: aria-describedby names %q, which does not exist", a.what, id)
		}
	}
	for _, n := range a.find("*", "aria-labelledby", "*") {
		if id, _ := attrOf(n, "aria-labelledby"); !ids[id] {
			a.t.Errorf("%s: aria-labelledby names %q, which does not exist", a.what, id)
		}
	}
	if a.head.Get("Cache-Control") != "no-store" {
		a.t.Errorf("%s: Cache-Control %q", a.what, a.head.Get("Cache-Control"))
	}
}

func (a *answer) soundElement(n *html.Node, labels map[string]bool) {
	a.t.Helper()
	has := func(name string) bool { _, ok := attrOf(n, name); return ok }
	switch n.Data {
	case "style":
		a.t.Errorf("%s: a style element", a.what)
	case "script":
		if !has("src") || n.FirstChild != nil {
			a.t.Errorf("%s: a script in the page", a.what)
		}
	case "table":
		if !has("aria-label") && !has("aria-labelledby") {
			a.t.Errorf("%s: a table without a name", a.what)
		}
	case "button":
		if textOf(n) == "" && !has("aria-label") {
			a.t.Errorf("%s: a button without a name", a.what)
		}
	case "input", "select", "textarea":
		id, _ := attrOf(n, "id")
		kind, _ := attrOf(n, "type")
		wrapped := n.Parent != nil && n.Parent.Data == "label"
		if kind != "hidden" && !wrapped && !labels[id] && !has("aria-label") {
			a.t.Errorf("%s: <%s id=%q> has no label", a.what, n.Data, id)
		}
	}
}

// A user with the scope read sees all data but no actions. Requests for actions are
// refused.
func TestScopes(t *testing.T) {
	t.Parallel()
	s, paths := full(t)
	conn := s.mappings(repo.MappingFilter{})[0].ConnectionID.String()
	reader, writer, anonymous := s.as("acme", access.Read), s.as("acme", access.Write), s.as("", "")
	for scope, shown := range map[access.Scope]bool{access.Admin: false, access.Ops: true} {
		if a := s.as("acme", scope).get("/connections"); strings.Contains(a.body, `<a href="/asynqmon/">Queues</a>`) != shown {
			t.Errorf("link to the queues for the scope %s: %v", scope, !shown)
		}
	}
	for _, path := range paths {
		a := reader.get(path)
		if strings.HasPrefix(path, "/connections/new") || path == "/security" {
			a.wants(http.StatusForbidden, "You do not have permission", "admin")
			continue
		}
		for _, form := range a.find("form", "method", "post") {
			if to, _ := attrOf(form, "action"); to != "/signout" && to != "/sessions/end" {
				t.Errorf("%s offers a reader %s", path, to)
			}
		}
		for _, button := range a.find("button", "", "") {
			if text := textOf(button); text != "Sign out" && text != "Sign out everywhere" && text != "Show" {
				t.Errorf("%s offers a reader %q", path, text)
			}
		}
		anonymous.get(path).wants(http.StatusUnauthorized, "You are not signed in")
	}
	before := repotest.Value[int](t, s.url, `select count(*) from halosync.events`)
	for path, need := range map[string]access.Scope{
		"/connections": access.Admin, "/connections/" + conn + "/test": access.Admin, "/connections/" + conn + "/update": access.Admin,
		"/connections/" + conn + "/pause": access.Admin, "/connections/" + conn + "/resume": access.Admin,
		"/connections/" + conn + "/schedule": access.Admin, "/connections/" + conn + "/remove": access.Admin,
		"/connections/" + conn + "/resync": access.Write, "/mappings/delete": access.Write, "/mappings/restore": access.Write,
		"/companies": access.Write, "/runs/" + conn + "/cancel": access.Write, "/runs/" + conn + "/retry": access.Write,
		"/runs/" + conn + "/approve": access.Write, "/runs/" + conn + "/undo": access.Write,
	} {
		reader.post(path, "confirm", "yes").wants(http.StatusForbidden, "You do not have permission")
		anonymous.post(path, "confirm", "yes").wants(http.StatusUnauthorized)
		if need == access.Admin {
			writer.post(path, "confirm", "yes").wants(http.StatusForbidden, "admin")
		}
	}
	if after := repotest.Value[int](t, s.url, `select count(*) from halosync.events`); after != before {
		t.Errorf("refused requests caused %d events", after-before)
	}
}

// Ids of another tenant's data get the same answer as unknown ids.
func TestAnotherTenantsIDs(t *testing.T) {
	t.Parallel()
	s, _ := full(t)
	m := s.mappings(repo.MappingFilter{})[0]
	run := repo.Hex(*m.RunID)
	eve := s.as("eve", access.Admin)
	snapshot := func() string {
		return repotest.Value[string](t, s.url, `select md5(string_agg(r, '' order by r)) from (
			select c::text as r from halosync.connections c union all select m::text from halosync.mappings m
			union all select r::text from halosync.runs r union all select e::text from halosync.events e) x`)
	}
	before := snapshot()
	conn, nothing := m.ConnectionID.String(), "0193f2a4-c5d7-7e0a-9b1c-2d3e4f506172"
	for _, path := range []string{
		"/connections/%s", "/connections/%s?remove=1", "/runs/%s", "/runs/%s/live", "/runs?before=%s",
	} {
		id := conn
		if strings.HasPrefix(path, "/runs") {
			id = run
		}
		a, b := eve.get(strings.ReplaceAll(path, "%s", id)), eve.get(strings.ReplaceAll(path, "%s", nothing))
		a.wants(http.StatusNotFound)
		if a.body != b.body {
			t.Errorf("%s: the responses for another tenant's id and for an unknown id differ:\n%s\n%s", path, textOf(a.doc), textOf(b.doc))
		}
	}
	for _, path := range []string{
		"/connections/" + conn + "/test", "/connections/" + conn + "/update", "/connections/" + conn + "/pause", "/connections/" + conn + "/resume",
		"/connections/" + conn + "/schedule", "/connections/" + conn + "/remove", "/connections/" + conn + "/resync",
		"/mappings/delete", "/mappings/restore", "/runs/" + run + "/cancel", "/runs/" + run + "/retry", "/runs/" + run + "/approve", "/runs/" + run + "/undo",
	} {
		eve.post(path, "confirm", "yes", "id", m.ID.String(), "cron", "@daily", "name", "x").wants(http.StatusNotFound)
	}
	eve.get("/mappings?connection="+conn).wants(http.StatusOK, "No mapping matches")
	eve.get("/events?mapping="+m.ID.String()).wants(http.StatusOK, "No event matches")
	if snapshot() != before {
		t.Error("a request changed another tenant's data")
	}
}

// Names of companies are untrusted.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`
	s.tenant.Add(halotest.Client{Name: "Unknown"}, halotest.Client{Name: evil}, halotest.Client{Name: "\u200fabc\u200f"})
	conn := s.connect(evil)
	if run := s.importAll(conn); run.Created != 2 {
		t.Fatalf("%+v", run)
	}
	// A release from before package plaintext existed may have stored this.
	repotest.Exec(t, s.url, "update halosync.mappings set state_reason = E'\\u202Egnp.exe\\u0007'")
	repotest.Exec(t, s.url, `update halosync.runs set error = $1, state = 'failed'`, evil)
	run := repo.Hex(*s.mappings(repo.MappingFilter{})[0].RunID)
	deleted := s.post("/mappings/delete", "id", s.mappings(repo.MappingFilter{Search: "script"})[0].ID.String())
	pages := []*answer{s.follow(deleted)}
	for _, path := range []string{
		"/connections", "/connections/" + conn.ID.String(), "/connections/" + conn.ID.String() + "?remove=1", "/mappings?sort=client",
		"/mappings?deleted=1", "/companies", "/runs", "/runs/" + run, "/events", "/mappings?search=" + "%3Cscript%3E%22onfocus%3Dalert",
	} {
		pages = append(pages, s.get(path))
	}
	for _, a := range pages {
		a.wants(http.StatusOK).sound()
		a.lacks("<script>alert", "<img src=x", "\u202e", "\a")
	}
	pages[0].wants(http.StatusOK, evil)
	if len(pages[0].find("bdi", "", "")) == 0 {
		t.Error("names are not isolated with bdi")
	}
}

// A failure is shown as a failure, never as an empty list.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	s, paths := full(t)
	s.store.Close()
	for _, path := range paths {
		if path == "/connections/new" {
			continue
		}
		a := s.get(path)
		if a.code < 500 || a.role("alert") == "" {
			t.Errorf("%s: %d, alert %q", path, a.code, a.role("alert"))
		}
		if len(a.rows()) > 0 || strings.Contains(a.body, "No mappings yet") {
			t.Errorf("%s looks like an empty list", path)
		}
		htmx := s.get(path, "HX-Request", "true")
		if htmx.head.Get("HX-Reselect") != "[role=alert]" || htmx.head.Get("HX-Reswap") != "innerHTML" {
			t.Errorf("%s: htmx would not show the error: %v", path, htmx.head)
		}
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	c := New(Config{})
	for name, address := range c.assets.urls {
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address, nil))
		if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Body.Len() == 0 {
			t.Errorf("%s at %s: %d %v", name, address, w.Code, w.Header())
		}
		if address == "/assets/"+name {
			t.Errorf("%s: its URL does not contain a hash", name)
		}
	}
	for _, path := range []string{"/assets/app.css", "/assets/nothing.js", "/assets/..%2fconsole.go"} {
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code == http.StatusOK {
			t.Errorf("%s is served", path)
		}
	}
}

// A form that is too large is refused on every page.
func TestOversizedForm(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	r := httptest.NewRequest(http.MethodPost, "/companies", strings.NewReader("names="+strings.Repeat("x", 2000)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	r.Body = http.MaxBytesReader(w, r.Body, 1000)
	s.console.ServeHTTP(w, r.WithContext(access.With(r.Context(), s.who)))
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
}
