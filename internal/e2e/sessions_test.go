package e2e

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// signinToken returns a sign-in token of the product for a user of msp-1.
func signinToken(t *testing.T, secret, user string) string {
	t.Helper()
	now := time.Now()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"aud": "halosync", "sub": user, "tenant": "msp-1", "scope": "admin", "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// All three workers refuse a revoked key, an ended session and tokens of a replaced sign-in
// secret. Live progress that was opened with one of these ends within ten seconds. The
// workers' logs and the table contain one security event for each step.
func TestEndedAccessIsRefusedByAllWorkers(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	in.Tenant.Seed(150, 7)
	in.Connect()
	gate := in.Halo.Gate(halotest.Rule{Page: 1})
	old, next := "c4nary-signin-"+rand.Text(), "c4nary-signin-"+rand.Text()
	in.KeepAccess(old)
	in.KeepAccess(next)
	in.Env = append(in.Env, "HALOSYNC_SIGNIN_SECRET="+old)
	workers := []*installation.Worker{in.StartWorker(), in.StartWorker(), in.StartWorker()}
	all := slices.Clone(workers)
	key := func(name string) string {
		text := strings.TrimSpace(in.Must("apikey", "new", name, "--scope", "admin"))
		in.KeepAccess(text)
		return text
	}
	signIn := func(method, path, form string) []string {
		t.Helper()
		status, body, cookies := workers[0].Request(t, method, path, form, "User-Agent", "Testbrowser/1")
		if status != http.StatusSeeOther || len(cookies) != 1 {
			t.Fatalf("sign-in: %d %s", status, body)
		}
		in.KeepAccess(cookies[0].Value)
		return []string{"Cookie", cookies[0].Name + "=" + cookies[0].Value}
	}
	byToken := func(user string) []string {
		return signIn("GET", "/signin/token?token="+signinToken(t, old, user), "")
	}
	everywhere := func(what string, credential []string, want int) {
		t.Helper()
		for i, w := range workers {
			if status, _, _ := w.Request(t, "GET", "/api/v1/runs", "", credential...); status != want {
				t.Errorf("%s: worker %d answers %d, want %d", what, i+1, status, want)
			}
		}
	}
	revoked, kept := key("revoked"), key("kept")
	bearer := []string{"Authorization", "Bearer " + revoked}
	ofKey := signIn("POST", "/signin", url.Values{"key": {revoked}}.Encode())
	ofKept := signIn("POST", "/signin", url.Values{"key": {kept}}.Encode())
	anna, bob, carol := byToken("anna"), byToken("bob"), byToken("carol")
	credentials := map[string][]string{"key": bearer, "session of a key": ofKey, "session of another key": ofKept, "anna": anna, "bob": bob, "carol": carol}
	for what, credential := range credentials {
		everywhere(what, credential, 200)
	}
	run := installation.Decode[installation.Run](t, in.Must("import", "--connection", "halo", "--all", "-o", "json")).ID
	ended := watch(t, workers[1], run, bearer)

	if _, errs, code := in.Enqueue("apikey", "revoke", "revoked"); code != 0 || !strings.Contains(errs, "sessions ended: 1") {
		t.Errorf("revoke: %d %s", code, errs)
	}
	at := time.Now()
	everywhere("revoked key", bearer, 401)
	everywhere("session of a revoked key", ofKey, 401)
	<-ended
	// A worker verifies the credential every 5 s. The bound allows for a busy machine.
	// Without this check, progress would continue for ten minutes.
	if took := time.Since(at); took > time.Minute {
		t.Errorf("live progress ended %v after the key was revoked", took)
	}
	in.Must("session", "end", "--key", "kept")
	everywhere("session ended with --key", ofKept, 401)
	in.Must("session", "end", "--user", "anna")
	everywhere("session ended with --user", anna, 401)
	everywhere("another user's session", bob, 200)
	sessions := installation.Decode[[]struct{ ID, Actor string }](t, in.Must("session", "list", "--user", "bob", "-o", "json"))
	if len(sessions) != 1 || sessions[0].Actor != "user:bob" {
		t.Fatalf("sessions of bob: %+v", sessions)
	}
	in.Must("session", "end", sessions[0].ID)
	everywhere("session that was ended by its id", bob, 401)

	// The secret has leaked, so it is replaced on all workers.
	in.Env[len(in.Env)-1] = "HALOSYNC_SIGNIN_SECRET=" + next
	gate.Open()
	in.AwaitRun(run)
	for i, w := range workers {
		w.Stop(t)
		workers[i] = in.StartWorker()
		all = append(all, workers[i])
	}
	everywhere("session of a replaced secret", carol, 401)
	if status, _, cookies := workers[2].Request(t, "GET", "/signin/token?token="+signinToken(t, old, "dora"), ""); len(cookies) != 0 {
		t.Errorf("token of a replaced secret: %d and %d cookies", status, len(cookies))
	}
	followIncident(t, in, "kept")
	if left := repotest.Value[int](t, in.DB, `select count(*) from halosync.sessions`); left != 0 {
		t.Errorf("%d sessions left", left)
	}
	for _, w := range workers {
		w.Stop(t) // writes the refusals
	}

	last := in.StartWorker()
	all = append(all, last)
	type event struct {
		ID            int64
		Kind, Outcome string
	}
	events := installation.Decode[[]event](t, in.Must("security", "--all-tenants", "--limit", "0", "-o", "json"))
	seen := map[string]int{}
	for _, e := range events {
		seen[e.Kind+" "+e.Outcome]++
	}
	for what, want := range map[string]int{
		"apikey.added succeeded": 2, "signin succeeded": 5, "apikey.revoked succeeded": 2, "session.ended succeeded": 4, "role.granted succeeded": 2,
	} {
		if seen[what] != want {
			t.Errorf("%d events %s, want %d: %v", seen[what], what, want, seen)
		}
	}
	if seen["apikey.used refused"] == 0 || seen["signin refused"] == 0 {
		t.Errorf("no refusals: %v", seen)
	}
	lines := func(e event) (n int) {
		for _, w := range all {
			n += len(regexp.MustCompile(fmt.Sprintf(`"msg":"security event".*"id":%d,.*"kind":"%s"`, e.ID, e.Kind)).FindAllString(w.Log.String(), -1))
		}
		return n
	}
	in.Eventually("each event is in a log", func() bool {
		return !slices.ContainsFunc(events, func(e event) bool { return lines(e) == 0 })
	})
	for _, e := range events {
		if n := lines(e); n != 1 {
			t.Errorf("event %d has %d lines in the logs", e.ID, n)
		}
	}
	last.Stop(t)
}

// followIncident types the commands that docs/operating.md lists for a leaked key or
// sign-in secret.
func followIncident(t *testing.T, in *installation.Installation, key string) {
	t.Helper()
	_, section, _ := strings.Cut(installation.ReadFile(t, "docs/operating.md"), "### If a key or the sign-in secret has leaked")
	section, _, _ = strings.Cut(section, "\n### ")
	typed := 0
	for i, block := range strings.Split(section, "```") {
		if i%2 == 0 { // text between the blocks
			continue
		}
		for line := range strings.Lines(strings.TrimSpace(block)) {
			if line = strings.ReplaceAll(strings.TrimSpace(line), "NAME", key); strings.HasPrefix(line, "openssl ") {
				continue
			}
			typed++
			if out, err := in.Shell(t.TempDir(), line); err != nil {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
		}
	}
	if typed < 5 {
		t.Errorf("%d commands typed", typed)
	}
}

// watch opens the live progress of a run and returns a channel that is closed when the
// stream has ended.
func watch(t *testing.T, w *installation.Worker, run string, header []string) <-chan struct{} {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.HTTP+"/api/v1/runs/"+run+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(header[0], header[1])
	resp, err := http.DefaultTransport.RoundTrip(req) //nolint:bodyclose // closed by the goroutine below
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(resp.Body)
	if resp.StatusCode != http.StatusOK || !lines.Scan() {
		t.Fatalf("live progress: %s", resp.Status)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer resp.Body.Close()
		for lines.Scan() {
		}
	}()
	return done
}
