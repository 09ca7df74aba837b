package repo_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/repo/schema"
)

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// No error contains the password, whatever is wrong with the URL.
func TestURLErrorsHideThePassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://ann:hunter2@127.0.0.1:1/db?connect_timeout=1",
		"postgres://ann:hun/hunter2@host:5432/db",
		"postgres://ann:hunter2#@host:port/db",
		"postgres://ann:hunter2%zz@host/db",
		"host=127.0.0.1 port=hunter2 password=hunter2",
		"host=127.0.0.1 port=1 user=ann password=hunter2 connect_timeout=1",
	} {
		_, migrateErr := schema.Migrate(t.Context(), url)
		store, openErr := repo.Open(t.Context(), repo.Options{URL: url})
		if openErr == nil {
			openErr = errors.Join(store.Ping(t.Context()), store.Ready(t.Context()))
			store.Close()
		}
		for _, err := range []error{migrateErr, openErr} {
			if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "hunter2") {
				t.Errorf("%s: %v", url, err)
			}
		}
	}
}

func TestReadyAndClose(t *testing.T) {
	t.Parallel()
	url := repotest.URL(t)
	store, err := repo.Open(t.Context(), repo.Options{URL: url, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.Ping(t.Context()), store.Ready(t.Context())); err != nil {
		t.Error(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.Ready(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	store.Close()
	if err := store.Ping(t.Context()); err == nil {
		t.Error("a closed store still answers")
	}
}

// /readyz uses Writable: a worker that cannot write is not ready.
func TestWritable(t *testing.T) {
	t.Parallel()
	url := repotest.URL(t)
	if err := repotest.Open(t, url).Writable(t.Context()); err != nil {
		t.Error(err)
	}
	repotest.Exec(t, url, `do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$`)
	store := repotest.Open(t, url)
	if err := store.Writable(t.Context()); !errors.Is(err, repo.ErrUnavailable) || !strings.Contains(err.Error(), "default_transaction_read_only") {
		t.Errorf("read-only database: %v", err)
	}
	if err := store.Ready(t.Context()); err != nil { // commands that only read still work
		t.Errorf("read-only database: %v", err)
	}
}

// Names are stored unchanged, regardless of the encoding set by the URL and the database.
func TestStoreSendsUTF8(t *testing.T) {
	t.Parallel()
	url := repotest.URL(t)
	repotest.Exec(t, url, `do $$ begin execute format('alter database %I set client_encoding = LATIN1', current_database()); end $$`)
	for _, options := range []string{"", "&client_encoding=LATIN1", "&default_query_exec_mode=cache_describe"} {
		store := repotest.OpenAs(t, repotest.Worker(t, url)+options)
		if _, err := store.AddCompanies(t.Context(), "t"+options, "ann", []repo.NewCompany{{Name: "Bäcker’s", NormName: "bäcker's"}}); err != nil {
			t.Fatal(err)
		}
		if got := repotest.Value[string](t, url, `select encode(convert_to(name, 'UTF8'), 'hex') from halosync.companies where tenant = $1`, "t"+options); got != fmt.Sprintf("%x", "Bäcker’s") {
			t.Errorf("%q: stored %s", options, got)
		}
	}
}

// The test is not parallel because it counts goroutines.
func TestCloseLeavesNothingRunning(t *testing.T) {
	url := repotest.URL(t)
	before := goleak.IgnoreCurrent()
	store := must[*repo.Store](t)(repo.Open(t.Context(), repo.Options{URL: url}))
	if err := store.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	store.Close()
	goleak.VerifyNone(t, before)
}

// An iterator whose context ends yields the error. It does not stop without an error.
func TestIteratorsYieldTheirError(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	claim := w.claim(t, "k")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errs []error
	for _, err := range w.SeenPages(ctx, claim.Ref) {
		errs = append(errs, err)
	}
	for _, err := range w.AllMappings(ctx, w.tenant, repo.MappingFilter{}) {
		errs = append(errs, err)
	}
	if len(errs) != 2 || !errors.Is(errs[0], context.Canceled) || !errors.Is(errs[1], context.Canceled) {
		t.Errorf("errors %v", errs)
	}
}

// startRecorder records the data that a session sends.
type startRecorder struct {
	net.Conn
	sent *strings.Builder
}

func (r startRecorder) Write(b []byte) (int, error) {
	r.sent.Write(b)
	return r.Conn.Write(b)
}

// Every session has the setting with which the database releases the locks of a frozen
// process.
func TestSessionSettings(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"": "30000", "&idle_in_transaction_session_timeout=5": "5",
	} {
		var sent strings.Builder
		store, err := repo.OpenWrapped(t.Context(), repotest.URL(t)+query, nil, func(conn net.Conn) net.Conn {
			return startRecorder{conn, &sent}
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		store.Close()
		if setting := "idle_in_transaction_session_timeout\x00" + want + "\x00"; !strings.Contains(sent.String(), setting) {
			t.Errorf("%q: %q was not sent", query, setting)
		}
	}
}
