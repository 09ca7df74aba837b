package halosync_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
)

// tokenMark is how the simulated Halo's tokens begin: the head of a JWT.
var tokenMark = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"`))[:16]

// Secrets that a person typed, and tokens that Halo issued, are looked for in
// everything the system leaves: logs, outputs, errors, Redis, tables, metrics,
// process lists, asynqmon. Each end-to-end test ends with the same search; this
// one provokes what could leak, and counts what was looked at.
func TestSecretsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	s := newSite(t, fast)
	s.extraEnv = []string{"HALOSYNC_LOG_LEVEL=debug"}
	w := s.startWorker(s.keyset)
	defer w.stop(t)
	s.tenant.Seed(250, 7)
	var said strings.Builder
	try := func(args ...string) {
		out, errs, code := s.enqueue(args...)
		fmt.Fprintln(&said, out, errs, code)
	}

	add := s.adding("halo")
	s.app.SetSecret("another")
	try(add...) // refused
	s.app.SetSecret(canarySecret)
	try(add...)
	try(add...) // exists already
	for _, fault := range []halotest.Fault{
		halotest.Status(500, "boom"), halotest.HTML200(), halotest.Truncate(10), halotest.Reset(), halotest.Expire(), halotest.WrongJSON(),
	} {
		s.halo.Fault(halotest.Rule{}, fault)
		try("connection", "test", "halo")
	}
	// A server that sends back what it was sent.
	quoted, err := json.Marshal("bad secret " + canarySecret + " or " + url.QueryEscape(canarySecret))
	if err != nil {
		t.Fatal(err)
	}
	s.halo.Fault(halotest.Rule{Route: "POST /token", Times: 3},
		halotest.Status(400, `{"error":"invalid_request","error_description":`+string(quoted)+`}`))
	s.app.Revoke()
	try("connection", "test", "halo")
	s.halo.ClearFaults()
	try("import", "--connection", "halo", "--all", "--wait", "-o", "json")
	try("suggest", "--connection", "halo", "-o", "json")
	try("map", "--connection", "halo", "nobody=12", "--wait", "-o", "json")
	try("resync", "--connection", "halo", "--wait", "-o", "json")
	s.app.SetSecret("another")
	s.app.Revoke()
	try("import", "--connection", "halo", "--search", "a", "--wait") // fails
	try("events", "--limit", "0", "-o", "json")
	try("schedule", "list", "-o", "json")
	for _, list := range []string{"runs", "connection", "companies"} {
		try(list, "list", "-o", "json")
	}
	if !strings.Contains(said.String(), "succeeded") || !strings.Contains(said.String(), "needs_reconnect") {
		t.Fatalf("the session went otherwise:\n%s", said.String())
	}

	w.visit(s.left)
	looked := s.search()
	for place, least := range map[string]int{
		"outputs and errors": 20_000, "the log of worker 1": 1_000, "pages": 10_000, "command lines": 1_000,
		"Redis": 2_000, "Postgres": 50_000, "asynqmon": 5_000,
	} {
		if looked[place] < least {
			t.Errorf("%s: only %d bytes were looked at, want %d", place, looked[place], least)
		}
	}
	if n := s.wanted().n; n < 100 {
		t.Errorf("only %d needles", n)
	}
}
