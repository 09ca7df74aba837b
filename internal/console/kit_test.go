package console

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/halosync/halosync/halo"
	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

func TestMain(m *testing.M) { repotest.Main(m) }

// Credentials that the simulated Halo accepts.
const (
	stageApp    = "app-1"
	stageSecret = "canary-s3cret"
)

// stage is a console with a real database, a simulated Halo, and a signed-in browser
// without JavaScript.
type stage struct {
	t       testing.TB
	url     string // URL of the database
	store   *repo.Store
	halo    *halotest.Halo
	tenant  *halotest.Tenant // the tenant in the simulated Halo
	engine  *enginetest.Worker
	console *Console
	who     access.Principal
	cookies map[string]string
}

// newStage returns a stage for the tenant acme with all scopes. Its Halo has n realistic
// clients.
func newStage(t testing.TB, n int) *stage {
	t.Helper()
	address := repotest.URL(t)
	s := &stage{t: t, url: address, store: repotest.Open(t, address), halo: halotest.Start(t), cookies: map[string]string{}}
	s.tenant = s.halo.Tenant("")
	s.tenant.App(stageApp, stageSecret)
	if n > 0 {
		s.tenant.Seed(n, 7)
	}
	allow, err := halo.ParseAllow([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	s.engine = enginetest.New(enginetest.Config{Store: s.store, Allow: allow, RetryBudget: 100 * time.Millisecond})
	s.console = New(Config{Engine: s.engine.Engine, Store: s.store})
	s.who = access.Principal{Tenant: "acme", Actor: "key:test", Scope: access.Admin, Session: true}
	return s
}

// as returns the stage with the browser of another principal.
func (s *stage) as(tenant string, scope access.Scope) *stage {
	other := *s
	other.who.Tenant, other.who.Scope = tenant, scope
	other.cookies = map[string]string{}
	return &other
}

// connect adds a connection to the simulated Halo.
func (s *stage) connect(name string) repo.Connection {
	s.t.Helper()
	conn, err := s.engine.AddConnection(s.t.Context(), s.who.Tenant, "test", engine.ConnectionInput{
		Name: name, Domain: s.halo.ResourceServer(), AuthServer: s.halo.AuthServer(),
		ClientID: stageApp, Secret: secret.NewString(stageSecret),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// perform executes a requested run as the queue would.
func (s *stage) perform(runID string) repo.Run {
	s.t.Helper()
	ctx := s.t.Context()
	run, err := s.engine.Run(ctx, s.who.Tenant, runID)
	if err != nil {
		s.t.Fatal(err)
	}
	for range 20 {
		err = s.engine.Execute(ctx, run)
		if run, _ = s.engine.Run(ctx, s.who.Tenant, runID); run.Ended() {
			return run
		}
	}
	s.t.Fatalf("run %s does not end: %v", runID, err)
	return run
}

// importAll imports all clients of a connection.
func (s *stage) importAll(conn repo.Connection) repo.Run {
	s.t.Helper()
	receipt, err := s.engine.RequestImport(s.t.Context(), s.who.Tenant, engine.ImportRequest{Connection: conn.ID.String(), All: true, RequestedBy: "test"})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.perform(receipt.RunID)
}

func (s *stage) mappings(f repo.MappingFilter) []repo.Mapping {
	s.t.Helper()
	list, err := s.store.Mappings(s.t.Context(), s.who.Tenant, f)
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// answer is a page as the browser received it.
type answer struct {
	t    testing.TB
	what string
	code int
	head http.Header
	body string
	doc  *html.Node
}

func (s *stage) get(path string, header ...string) *answer {
	s.t.Helper()
	return s.ask(http.MethodGet, path, nil, header...)
}

// post sends a form. The argument fields holds alternating names and values.
func (s *stage) post(path string, fields ...string) *answer {
	s.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return s.ask(http.MethodPost, path, form)
}

func (s *stage) ask(method, path string, form url.Values, header ...string) *answer {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for name, value := range s.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	ctx := s.t.Context()
	if s.who.Tenant != "" {
		ctx = access.With(ctx, s.who)
	}
	w := httptest.NewRecorder()
	s.console.ServeHTTP(w, r.WithContext(ctx))
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			maps.DeleteFunc(s.cookies, func(name, _ string) bool { return name == c.Name })
		} else {
			s.cookies[c.Name] = c.Value
		}
	}
	a := &answer{t: s.t, what: method + " " + path, code: w.Code, head: w.Header(), body: w.Body.String()}
	doc, err := html.Parse(strings.NewReader(a.body))
	if err != nil {
		s.t.Fatal(err)
	}
	a.doc = doc
	return a
}

// follow expects a redirect and returns the page that it leads to.
func (s *stage) follow(a *answer) *answer {
	s.t.Helper()
	a.wants(http.StatusSeeOther)
	return s.get(a.head.Get("Location"))
}

// wants fails the test unless the page has the status and contains all the strings.
func (a *answer) wants(code int, texts ...string) *answer {
	a.t.Helper()
	if a.code != code {
		a.t.Fatalf("%s: status %d, want %d\n%s", a.what, a.code, code, textOf(a.doc))
	}
	shown := textOf(a.doc)
	for _, text := range texts {
		if !strings.Contains(shown, text) {
			a.t.Errorf("%s: no %q in\n%s", a.what, text, shown)
		}
	}
	return a
}

// lacks fails the test if the page contains one of the strings.
func (a *answer) lacks(texts ...string) *answer {
	a.t.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			a.t.Errorf("%s: %q is in\n%s", a.what, text, a.body)
		}
	}
	return a
}

// find returns the elements with the given name and attribute. An empty attr matches every
// element; the value "*" matches every value.
func (a *answer) find(tag, attr, value string) (found []*html.Node) {
	for n := range a.doc.Descendants() {
		if n.Type == html.ElementNode && (tag == "*" || n.Data == tag) {
			got, ok := attrOf(n, attr)
			if attr == "" || ok && (value == "*" || got == value) {
				found = append(found, n)
			}
		}
	}
	return found
}

// role returns the text of the elements with an ARIA role, such as alert.
func (a *answer) role(role string) string {
	var texts []string
	for _, n := range a.find("*", "role", role) {
		texts = append(texts, textOf(n))
	}
	return strings.Join(texts, "\n")
}

// rows returns the cells of all table bodies, row by row.
func (a *answer) rows() (rows [][]string) {
	for _, body := range a.find("tbody", "", "") {
		for n := range body.Descendants() {
			if n.Type != html.ElementNode || n.Data != "tr" {
				continue
			}
			var cells []string
			for c := range n.ChildNodes() {
				if c.Type == html.ElementNode {
					cells = append(cells, textOf(c))
				}
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

// link returns the URL of the link with the given text, or "" if no link has it.
func (a *answer) link(text string) string {
	for _, n := range a.find("a", "href", "*") {
		if textOf(n) == text {
			href, _ := attrOf(n, "href")
			return href
		}
	}
	return ""
}

func attrOf(n *html.Node, name string) (string, bool) {
	for _, at := range n.Attr {
		if at.Key == name {
			return at.Val, true
		}
	}
	return "", false
}

// reports whether the attributes include the given name.
func named(attrs []html.Attribute, name string) bool {
	return slices.Contains(attrs, html.Attribute{Key: "name", Val: name})
}

// textOf returns the text of a node, with each run of white space collapsed to one space.
func textOf(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		switch {
		case n.Type == html.TextNode:
			b.WriteString(n.Data)
		case n.Type == html.ElementNode && (n.Data == "script" || n.Data == "style" || n.Data == "title"):
			return
		}
		for c := range n.ChildNodes() {
			walk(c)
		}
		if n.Type == html.ElementNode {
			b.WriteByte(' ')
		}
	}
	walk(n)
	return strings.Join(strings.Fields(strings.ReplaceAll(b.String(), "\u00a0", " ")), " ")
}
