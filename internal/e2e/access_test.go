package halosync_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// ask sends a request to a worker and follows nothing. What comes back is kept,
// but for the cookie.
func (w *workerProcess) ask(t *testing.T, method, path, form string, header ...string) (status int, body string, cookies []*http.Cookie) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+w.http+path, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	cookies = resp.Cookies()
	resp.Header.Del("Set-Cookie")
	w.left.add("pages", fmt.Sprintln(path, resp.Status, resp.Header, string(text)))
	return resp.StatusCode, string(text), cookies
}

// A worker that only serves: shut while there is no key, then open to who has
// one, and to nobody once that is revoked. It takes no tasks. What was shown to it
// is nowhere.
func TestServeOnlyHTTP(t *testing.T) {
	t.Parallel()
	s := newSite(t, fast)
	s.tenant.Seed(150, 7)
	s.workerArgs = []string{"-only", "http"}
	w := s.startWorker(s.keyset)
	s.connect()
	if status, body, _ := w.ask(t, "GET", "/api/v1/nothing", ""); status != 503 || !strings.Contains(body, "enqueue apikey new NAME --scope admin") {
		t.Errorf("without a key: %d %q", status, body)
	}
	key := strings.TrimSpace(s.must("apikey", "new", "console", "--scope", "admin", "--expires", "90d"))
	s.left.addAccess(key)
	bearer := []string{"Authorization", "Bearer " + key}
	s.eventually("the door is open", func() bool {
		status, _, _ := w.ask(t, "GET", "/api/v1/nothing", "", bearer...)
		return status == 404
	})
	if status, _, _ := w.ask(t, "GET", "/api/v1/nothing", ""); status != 401 {
		t.Errorf("without the key: %d", status)
	}
	status, _, cookies := w.ask(t, "POST", "/signin", url.Values{"key": {key}, "next": {"/runs"}}.Encode())
	if status != 303 || len(cookies) != 1 {
		t.Fatalf("sign-in: %d, %d cookies", status, len(cookies))
	}
	s.left.addAccess(cookies[0].Value)
	session := []string{"Cookie", cookies[0].Name + "=" + cookies[0].Value}
	if status, _, _ := w.ask(t, "GET", "/api/v1/nothing", "", session...); status != 404 {
		t.Errorf("with the session: %d", status)
	}

	if status, body, _ := w.ask(t, "GET", "/asynqmon/api/queues", "", bearer...); status != 403 || !strings.Contains(body, "the scope ops") {
		t.Errorf("the queues with a tenant's key: %d %s", status, body)
	}
	ops := strings.TrimSpace(s.must("apikey", "new", "night", "--scope", "ops"))
	s.left.addAccess(ops)
	if status, body, _ := w.ask(t, "GET", "/asynqmon/api/queues", "", "Authorization", "Bearer "+ops); status != 200 || !strings.Contains(body, `"queues":`) {
		t.Errorf("the queues with their key: %d %s", status, body)
	}

	id := decode[run](t, s.must("import", "--connection", "halo", "--all", "-o", "json")).ID
	if state := dumpRedis(t, s.connectRedis(s.redis)); strings.Contains(state, "asynq:servers:{") {
		t.Error("it takes tasks")
	}
	s.workerArgs = nil
	s.startWorker(s.keyset).stopAfter(t, s, func() bool { return s.run(id).State == "succeeded" })

	if _, errs, code := s.enqueue("apikey", "revoke", "console"); code != 0 || !strings.Contains(errs, "sessions ended: 1") {
		t.Errorf("revoke: %d %s", code, errs)
	}
	for what, header := range map[string][]string{"key": bearer, "session": session} {
		if status, _, _ := w.ask(t, "GET", "/api/v1/nothing", "", header...); status != 401 && status != 503 {
			t.Errorf("a revoked %s: %d", what, status)
		}
	}
	w.stop(t)
}

// stopAfter stops a worker once something has come true.
func (w *workerProcess) stopAfter(t *testing.T, s *site, ok func() bool) {
	t.Helper()
	s.eventually("the worker has done its work", ok)
	if state := dumpRedis(t, s.connectRedis(s.redis)); !strings.Contains(state, "asynq:servers:{") {
		t.Error("a worker does not show itself in Redis")
	}
	w.stop(t)
}
