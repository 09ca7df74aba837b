package e2e

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// Both programs work with Postgres behind a pooler in transaction mode.
// Notifications do not arrive there, so the worker polls for requests made in
// SQL. Its log reports this.
func TestBehindPooler(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	pooled := repotest.Pooled(t, repotest.Worker(t, in.DB))
	through := func(options url.Values) []string { return []string{"DATABASE_URL=" + pooled(options)} }
	in.Env = through(nil)
	if out := in.Work(1); !strings.Contains(out, "the URL needs default_query_exec_mode=cache_describe") {
		t.Errorf("a URL without that mode:\n%s", out)
	}

	in.Env = through(url.Values{"default_query_exec_mode": {"cache_describe"}})
	in.Tenant.Seed(250, 7)
	w := in.StartWorker()
	defer w.Stop(t)
	in.Connect()
	if r := in.ImportAll(); r.State != "succeeded" || r.Records != 250 {
		t.Errorf("import: %+v", r)
	}
	in.Must("companies", "add", "Zebra Crossing", "--external-id", "z-1")
	in.Must("suggest", "--connection", "halo")
	in.Must("resync", "--connection", "halo", "--wait")
	conn := installation.Decode[struct{ ID string }](t, in.Must("connection", "show", "halo", "-o", "json"))
	id := repotest.Value[uuid.UUID](t, in.DB, `select halosync.enqueue('import', 'msp-1', $1, '{"all":true}', 'sql')`, conn.ID)
	in.Must("runs", "watch", id.String())
	in.Eventually("the log says that notifications do not arrive", func() bool { return strings.Contains(w.Log.String(), "notifications do not arrive") })
}
