package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/e2e/installation"
)

// Secrets typed by a person and tokens issued by Halo must not occur in logs,
// output, errors, Redis, tables, metrics, process lists or asynqmon. Every
// end-to-end test ends with this search. This test provokes leaks and also
// checks how much text was searched.
func TestSecretsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	in.Env = []string{"HALOSYNC_LOG_LEVEL=debug"}
	w := in.StartWorker()
	defer w.Stop(t)
	in.Tenant.Seed(250, 7)
	var said strings.Builder
	try := func(args ...string) {
		out, errs, code := in.Enqueue(args...)
		fmt.Fprintln(&said, out, errs, code)
	}

	add := in.AddCommand("halo")
	in.App.SetSecret("another")
	try(add...) // refused
	in.App.SetSecret(in.Secrets.Client)
	try(add...)
	try(add...) // already exists
	for _, fault := range []halotest.Fault{
		halotest.Status(500, "boom"), halotest.HTML200(), halotest.Truncate(10), halotest.Reset(), halotest.Expire(), halotest.WrongJSON(),
	} {
		in.Halo.Fault(halotest.Rule{}, fault)
		try("connection", "test", "halo")
	}
	// The server echoes the request.
	quoted, err := json.Marshal("bad secret " + in.Secrets.Client + " or " + url.QueryEscape(in.Secrets.Client))
	if err != nil {
		t.Fatal(err)
	}
	in.Halo.Fault(halotest.Rule{Route: "POST /token", Times: 3},
		halotest.Status(400, `{"error":"invalid_request","error_description":`+string(quoted)+`}`))
	in.App.Revoke()
	try("connection", "test", "halo")
	in.Halo.ClearFaults()
	try("import", "--connection", "halo", "--all", "--wait", "-o", "json")
	try("suggest", "--connection", "halo", "-o", "json")
	try("map", "--connection", "halo", "nobody=12", "--wait", "-o", "json")
	try("resync", "--connection", "halo", "--wait", "-o", "json")
	in.App.SetSecret("another")
	in.App.Revoke()
	try("import", "--connection", "halo", "--search", "a", "--wait") // fails
	try("events", "--limit", "0", "-o", "json")
	try("schedule", "list", "-o", "json")
	for _, list := range []string{"runs", "connection", "companies"} {
		try(list, "list", "-o", "json")
	}
	if !strings.Contains(said.String(), "succeeded") || !strings.Contains(said.String(), "needs_reconnect") {
		t.Fatalf("the commands did not fail as planned:\n%s", said.String())
	}

	w.KeepPages()
	searched := in.Search()
	for place, minBytes := range map[string]int{
		"outputs and errors": 20_000, "the log of worker 1": 1_000, "pages": 10_000, "command lines": 1_000,
		"Redis": 2_000, "Postgres": 50_000, "asynqmon": 5_000,
	} {
		if searched[place] < minBytes {
			t.Errorf("%s: only %d bytes were searched, want %d", place, searched[place], minBytes)
		}
	}
	if n := in.Wanted().N; n < 100 {
		t.Errorf("only %d forms of secrets", n)
	}
}
