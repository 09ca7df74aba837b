package halosync_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo/repotest"
)

// Postgres behind a pooler in transaction mode: both programs work through it,
// what is requested in SQL is found without being heard, and the log says so.
func TestBehindPooler(t *testing.T) {
	t.Parallel()
	s := newSite(t, fast)
	pooled := repotest.Pooled(t, repotest.Worker(t, s.db))
	through := func(options url.Values) []string { return []string{"DATABASE_URL=" + pooled(options)} }
	s.extraEnv = through(nil)
	if out := s.workerFails(); !strings.Contains(out, "the URL needs default_query_exec_mode=cache_describe") {
		t.Errorf("a URL that does not say so:\n%s", out)
	}

	s.extraEnv = through(url.Values{"default_query_exec_mode": {"cache_describe"}})
	s.tenant.Seed(250, 7)
	w := s.startWorker(s.keyset)
	defer w.stop(t)
	s.connect()
	if r := s.importAll(); r.State != "succeeded" || r.Records != 250 {
		t.Errorf("import: %+v", r)
	}
	s.must("companies", "add", "Zebra Crossing", "--external-id", "z-1")
	s.must("suggest", "--connection", "halo")
	s.must("resync", "--connection", "halo", "--wait")
	conn := decode[struct{ ID string }](t, s.must("connection", "show", "halo", "-o", "json"))
	id := repotest.Value[uuid.UUID](t, s.db, `select halosync.enqueue('import', 'msp-1', $1, '{"all":true}', 'sql')`, conn.ID)
	s.must("runs", "watch", id.String())
	s.eventually("the log says what is not heard", func() bool { return strings.Contains(w.log.String(), "notifications do not arrive") })
}
