package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// signIn starts a session of an actor from a browser, and returns its id.
func (s *stage) signIn(n byte, actor, browser string) uuid.UUID {
	s.t.Helper()
	ctx := repo.WithOrigin(s.t.Context(), repo.Origin{Address: "198.51.100.7", UserAgent: browser})
	if err := s.store.AddSession(ctx, s.who.Tenant, repo.NewSession{Hash: [32]byte{n}, Actor: actor, Scope: "read", SigninSecret: make([]byte, 16), For: time.Hour}); err != nil {
		s.t.Fatal(err)
	}
	return repotest.Value[uuid.UUID](s.t, s.url, `select id from halosync.sessions where hash = $1`, append([]byte{n}, make([]byte, 31)...))
}

// A person sees their own sessions and can end one or all of them.
func TestOwnSessions(t *testing.T) {
	t.Parallel()
	admin := newStage(t, 0)
	s := admin.as("acme", access.Read)
	s.who.Actor = "user:anna"
	s.who.SessionID = s.signIn(1, "user:anna", "Firefox on <b>Linux</b>")
	phone, bobs := s.signIn(2, "user:anna", "Safari"), s.signIn(3, "user:bob", "Chrome")
	left := func() int { return repotest.Value[int](t, s.url, `select count(*) from halosync.sessions`) }
	a := s.get("/sessions").wants(http.StatusOK, "UTC (this session) Firefox on <b>Linux</b>", "Safari", "198.51.100.7").lacks("Chrome", "<b>Linux")
	a.sound()
	if n := len(a.rows()); n != 2 {
		t.Errorf("%d rows", n)
	}
	s.post("/sessions/" + bobs.String() + "/end").wants(http.StatusNotFound)
	eve := s.as("globex", access.Ops)
	eve.who.Actor = "user:anna" // of another tenant
	eve.post("/sessions/" + phone.String() + "/end").wants(http.StatusNotFound)
	eve.get("/sessions").wants(http.StatusOK, "No open sessions")
	eve.post("/sessions/end")
	s.post("/sessions/nonsense/end").wants(http.StatusNotFound)
	if n := left(); n != 3 {
		t.Fatalf("%d sessions left, want 3", n)
	}
	s.follow(s.post("/sessions/"+phone.String()+"/end")).wants(http.StatusOK, "Session ended.").lacks("Safari")
	s.signIn(4, "user:anna", "Edge")
	out := s.post("/sessions/end").wants(http.StatusSeeOther)
	if to := out.head.Get("Location"); to != "/signin" || left() != 1 {
		t.Errorf("signed out everywhere: redirected to %s, %d sessions left", to, left())
	}
	current := s.signIn(5, "user:anna", "Edge")
	s.who.SessionID = current
	if to := s.post("/sessions/" + current.String() + "/end").head.Get("Location"); to != "/signin" {
		t.Errorf("ending the current session leads to %s", to)
	}
}

// An admin sees the tenant's security events, page by page.
func TestSecurityPage(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	s.get("/security").wants(http.StatusOK, "No security events yet").sound()
	s.signIn(1, `user:<script>alert(1)</script>`, `"><img src=x>`)
	if err := s.store.AddSecurityEvents(t.Context(), repo.SecurityEvent{Tenant: "globex", Kind: repo.SecuritySignIn, Outcome: repo.SecuritySucceeded, Actor: "user:mallory"},
		repo.SecurityEvent{Kind: repo.SecuritySignIn, Outcome: repo.SecurityRefused, Address: "203.0.113.9", Count: 40}); err != nil {
		t.Fatal(err)
	}
	a := s.get("/security").wants(http.StatusOK, "Sign-in", "user:<script>alert(1)</script>", "198.51.100.7", "scope read").lacks("<script>alert", "<img src=x", "mallory", "203.0.113.9")
	a.sound()
	kinds := repotest.Value[[]repo.SecurityKind](t, s.url, `select array_agg(m[1]) from pg_constraint c, regexp_matches(pg_get_constraintdef(c.oid), '''([a-z.]+)''', 'g') m where conname = 'security_events_kind_check'`)
	for _, kind := range kinds {
		if securityWords[kind] == "" {
			t.Errorf("no words for %q", kind)
		}
	}
	if len(kinds) == 0 || len(kinds) != len(securityWords) {
		t.Errorf("%d kinds, words for %d", len(kinds), len(securityWords))
	}
	s.as("acme", access.Write).get("/security").wants(http.StatusForbidden, "admin")
	repotest.Exec(t, s.url, `insert into halosync.security_events (tenant, kind, outcome, actor) select 'acme', 'signin', 'succeeded', 'user:' || n from generate_series(1, 60) n`)
	first := s.get("/security").wants(http.StatusOK, "user:60").lacks("user:10<")
	if n := len(first.rows()); n != pageRows {
		t.Errorf("%d rows", n)
	}
	s.get(first.link("Older")).wants(http.StatusOK, "user:10", "Newest").lacks("user:60")
	s.get("/security?since=2100-01-01").wants(http.StatusOK, "No event matches")
	s.get("/security?since=yesterday").wants(http.StatusUnprocessableEntity)
	s.get("/security?before=x").wants(http.StatusNotFound)
	if got := s.as("acme", access.Write).get("/connections").body; strings.Contains(got, `href="/security"`) {
		t.Error("a writer sees a link to the security events")
	}
}

func TestBrowserName(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0":                                                           "Firefox on Linux",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0":    "Edge on Windows",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36":                  "Chrome on Android",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15":            "Safari on macOS",
		"curl/8.14.1": "", "Firefox": "", "": "",
	} {
		if got := browserName(agent); got != want {
			t.Errorf("%q is %q, want %q", agent, got, want)
		}
	}
}
