package halosync_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/repo/repotest"
)

// tokenMark is how the simulated Halo's tokens begin: the head of a JWT.
var tokenMark = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"`))[:16]

// Secrets that a person typed, and tokens that Halo issued, are looked for in
// everything the system leaves: logs, outputs, errors, Redis, tables, metrics,
// process lists.
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
		for path := range processes(t) {
			said.WriteString(path)
		}
	}

	add := []string{"connection", "add", "halo", "--domain", s.halo.ResourceServer(), "--auth-server", s.halo.AuthServer(),
		"--client-id", canaryID, "--client-secret-file", "-"}
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
	s.halo.Fault(halotest.Rule{Route: "POST /token", Times: 3},
		halotest.Status(400, `{"error":"invalid_request","error_description":"bad secret `+canarySecret+`"}`))
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

	places := map[string]string{
		"the CLI's output or a process list": said.String(),
		"the worker's log":                   w.log.String(),
		"metrics":                            w.page(t, "/metrics"),
		"Redis":                              dumpRedis(t, s.redis),
		"Postgres":                           dumpTables(t, s.db),
	}
	for place, text := range places {
		if len(text) < 100 {
			t.Errorf("%s: only %d bytes were looked at", place, len(text))
		}
		for form, needle := range forms(canarySecret) {
			if strings.Contains(text, needle) {
				t.Errorf("the secret is in %s, as %s", place, form)
			}
		}
		if strings.Contains(text, tokenMark) {
			t.Errorf("a token is in %s", place)
		}
		if strings.Contains(text, s.keyset) {
			t.Errorf("the key set is in %s", place)
		}
	}
}

// forms are the ways in which a text hides.
func forms(text string) map[string]string {
	return map[string]string{
		"plain text": text, "a URL": url.QueryEscape(text), "hex": hex.EncodeToString([]byte(text)),
		"base64": strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(text)), "=")[:20],
	}
}

// processes yields the command line of each process.
func processes(t *testing.T) func(func(string) bool) {
	return func(yield func(string) bool) {
		paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			line, err := os.ReadFile(path)
			if err == nil && !yield(string(line)) { // else it has ended
				return
			}
		}
	}
}

// dumpRedis returns every key with its value.
func dumpRedis(t *testing.T, address string) string {
	t.Helper()
	opts, err := redis.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(opts)
	t.Cleanup(func() {
		if err := rdb.Close(); err != nil {
			t.Error(err)
		}
	})
	var all strings.Builder
	keys := rdb.Scan(t.Context(), 0, "*", 1000).Iterator()
	for keys.Next(t.Context()) {
		key := keys.Val()
		fmt.Fprintln(&all, key,
			rdb.Get(t.Context(), key).Val(), rdb.HGetAll(t.Context(), key).Val(), rdb.LRange(t.Context(), key, 0, -1).Val(),
			rdb.ZRange(t.Context(), key, 0, -1).Val(), rdb.SMembers(t.Context(), key).Val())
	}
	if err := keys.Err(); err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// dumpTables returns every row of every table of ours, as text.
func dumpTables(t *testing.T, db string) string {
	t.Helper()
	var all strings.Builder
	tables := repotest.Value[[]string](t, db, `select array_agg(tablename::text) from pg_tables where schemaname = 'halosync'`)
	if len(tables) < 7 {
		t.Fatalf("tables %v", tables)
	}
	for _, table := range tables {
		rows := repotest.Value[*string](t, db, fmt.Sprintf(`select string_agg(x::text, E'\n') from halosync.%s x`, table))
		if rows != nil {
			fmt.Fprintln(&all, table, *rows)
		}
	}
	return all.String()
}
