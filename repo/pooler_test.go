package repo_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/repo/schema"
)

// Behind a pooler in transaction mode, everything except notifications works if the URL
// sets default_query_exec_mode. The store reports that notifications do not arrive.
func TestBehindPooler(t *testing.T) {
	t.Parallel()
	direct := repotest.EmptyURL(t)
	through := repotest.Pooled(t, direct)
	plain := repotest.OpenAs(t, through(nil))
	if err := plain.Ready(t.Context()); err == nil || errors.Is(err, repo.ErrUnavailable) || !strings.Contains(err.Error(), "default_query_exec_mode=cache_describe") {
		t.Errorf("URL without the execution mode: %v", err)
	}

	pooled := through(url.Values{"default_query_exec_mode": {"cache_describe"}})
	for range 2 {
		if res, err := schema.Migrate(t.Context(), pooled); err != nil || res.To != schema.Version() {
			t.Errorf("migrate: %+v, %v", res, err)
		}
	}
	if n := repotest.Value[int](t, direct, `select count(*) from pg_locks where locktype = 'advisory'
		and database = (select oid from pg_database where datname = current_database())`); n != 0 {
		t.Errorf("%d locks were not released", n)
	}
	if err := schema.Grant(t.Context(), pooled, "halosync_worker", schema.Worker); err != nil {
		t.Fatal(err)
	}
	store := repotest.OpenAs(t, strings.Replace(pooled, "postgres@", "halosync_worker@", 1))
	if err := store.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	heard := 0
	if err := store.Listen(t.Context(), func() { heard++ }); !errors.Is(err, repo.ErrNoNotifications) || heard != 1 {
		t.Errorf("listen: heard %d times, %v", heard, err)
	}
}
