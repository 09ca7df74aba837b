package run

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/dispatch"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

func TestMain(m *testing.M) { repotest.Main(m) }

// The heartbeat stops an execution whose run another worker has taken over, even during
// a long request.
func TestFencedExecutionStops(t *testing.T) {
	t.Parallel()
	store := repotest.Open(t, repotest.URL(t))
	conn, err := store.AddConnection(t.Context(), "acme", "test", repo.NewConnection{
		Name: "main", Domain: "https://h", AuthServer: "https://h", ClientID: "x", Secret: secret.NewString("s"),
	})
	if err != nil {
		t.Fatal(err)
	}
	row, err := dispatch.NewRun(repo.KindImport, tasks.NewRunID(), tasks.ImportArgs{Tenant: "acme", ConnectionID: conn.ID.String(), All: true})
	if err != nil {
		t.Fatal(err)
	}
	claim, err := store.ClaimRun(t.Context(), row)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.ClaimRun(t.Context(), row); err != nil { // another worker claims the run
		t.Fatal(err)
	}
	ctx, stop := New(Config{Store: store}).heartbeat(t.Context(), claim.Ref)
	defer stop()
	select {
	case <-ctx.Done():
	case <-time.After(3 * heartbeatEvery):
		t.Fatal("the execution was not stopped")
	}
	if !errors.Is(context.Cause(ctx), repo.ErrFenced) {
		t.Errorf("context cause: %v", context.Cause(ctx))
	}
}
