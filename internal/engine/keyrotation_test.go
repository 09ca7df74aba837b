package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// keyed returns a worker with the given key set.
func (w *fixture) keyed(text string) *enginetest.Worker {
	w.t.Helper()
	return enginetest.New(enginetest.Config{Store: repotest.OpenKeyed(w.t, w.url, text), Allow: w.engine.Config.Allow})
}

func rekeyed(t *testing.T, text string, changes ...func(string) (string, error)) string {
	t.Helper()
	for _, change := range changes {
		var err error
		if text, err = change(text); err != nil {
			t.Fatal(err)
		}
	}
	return text
}

func newKeys(t *testing.T) string {
	t.Helper()
	text, err := secret.New()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A worker with the old key set postpones the run, and a worker with the new key set
// executes it. The connection stays active.
func TestUnknownKeyPutsTheRunOff(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 10)
	old := newKeys(t)
	before, after := w.keyed(old), w.keyed(rekeyed(t, old, secret.Rotate))
	conn, err := after.AddConnection(t.Context(), "acme", "test", w.input("main"))
	if err != nil {
		t.Fatal(err)
	}
	j := job(all(conn))
	for range 3 {
		_, err := before.Import(t.Context(), j)
		if wait, put := tasks.IsLater(err); !put || wait != 10*time.Second {
			t.Fatalf("%v: later %v after %v", err, put, wait)
		}
	}
	if run := w.run(j); run.State != repo.StateQueued || !strings.Contains(run.WaitReason, "give this worker or command the new key set") {
		t.Errorf("%s: %q", run.State, run.WaitReason)
	}
	if _, err := after.Import(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	if run := w.run(j); run.State != repo.StateSucceeded || run.Created == 0 || run.Error != "" {
		t.Errorf("%s: %q", run.State, run.Error)
	}
	if conn, err = w.store.Connection(t.Context(), "acme", conn.ID); err != nil || conn.State != repo.Active {
		t.Errorf("connection %s: %s, %v", conn.State, conn.StateReason, err)
	}
}

// If a secret was altered or copied from another row, the run ends at once with a
// reason and sends no request to Halo.
func TestForeignSecretEndsTheRun(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 10)
	mine, other := w.connect("acme", "main"), w.connect("globex", "main")
	requests := w.halo.Log().Requests
	for what, sql := range map[string]string{
		"another tenant's": `update halosync.connections set secret_sealed = (select secret_sealed from halosync.connections where id = $2) where id = $1`,
		"altered": `update halosync.connections set secret_sealed = set_byte(secret_sealed, 20, 255 - get_byte(secret_sealed, 20))
			where id = $1 and id <> $2`,
		"plain": `update halosync.connections set secret_sealed = convert_to('` + testSecret + `', 'UTF8') where id = $1 and id <> $2`,
	} {
		repotest.Exec(t, w.url, sql, mine.ID, other.ID)
		j := job(all(mine))
		_, err := w.engine.Import(t.Context(), j)
		if _, put := tasks.IsLater(err); err == nil || put {
			t.Errorf("%s: %v", what, err)
		}
		run := w.run(j)
		if run.State != repo.StateFailed || run.Attempt != 1 ||
			!strings.Contains(run.Error, `credentials of connection "main"`) || !strings.Contains(run.Error, `connection update "main"`) {
			t.Errorf("%s: %s after %d attempts: %q", what, run.State, run.Attempt, run.Error)
		}
		if strings.Contains(run.Error, testSecret) {
			t.Errorf("%s: the reason quotes the secret", what)
		}
	}
	if n := w.halo.Log().Requests; n != requests {
		t.Errorf("%d requests to Halo", n-requests)
	}
	if conn, err := w.store.Connection(t.Context(), "acme", mine.ID); err != nil || conn.State != repo.Active {
		t.Errorf("connection %s: %s, %v", conn.State, conn.StateReason, err)
	}
}
