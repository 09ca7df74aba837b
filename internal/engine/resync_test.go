package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/engine/enginetest"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

// resyncJob is a task for a resync of a connection.
func resyncJob(conn repo.Connection) tasks.Job[tasks.ResyncArgs] {
	return tasks.Job[tasks.ResyncArgs]{
		RunID: tasks.NewRunID(), Attempt: 1, Draining: make(chan struct{}),
		Args: tasks.ResyncArgs{Tenant: conn.Tenant, ConnectionID: conn.ID.String(), RequestedBy: "test"},
	}
}

// resync executes a resync as often as the queue would and returns the finished run.
func (w *fixture) resync(conn repo.Connection) repo.Run {
	w.t.Helper()
	return w.resyncJob(resyncJob(conn))
}

func (w *fixture) resyncJob(j tasks.Job[tasks.ResyncArgs]) repo.Run {
	w.t.Helper()
	var err error
	for range 40 {
		j.Final = j.Attempt == 10
		if _, err = w.engine.Resync(w.t.Context(), j); err != nil {
			if _, put := tasks.IsLater(err); !put {
				j.Attempt++
			}
		}
		run, rerr := w.engine.Run(w.t.Context(), j.Args.Tenant, j.RunID)
		if rerr != nil {
			w.t.Fatal(rerr)
		}
		if run.Ended() {
			return run
		}
	}
	w.t.Fatalf("resync has not ended: %v", err)
	return repo.Run{}
}

// states returns the state of each client's mapping.
func (w *fixture) states(tenant string) map[int64]repo.MappingState {
	all := map[int64]repo.MappingState{}
	for _, m := range w.mappings(tenant) {
		all[m.ClientID] = m.State
	}
	return all
}

// A resync that lists all clients and a resync that reads clients by id have the same
// result.
func TestResyncTakesOverWhatHaloSays(t *testing.T) {
	t.Parallel()
	for way, others := range map[string]int{"listing": 0, "ids": 3000} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, 0)
			plainClients(w, 130)
			conn := w.connect("t1", "c")
			w.importAll(conn)
			for i := range others {
				w.tenant.Add(halotest.Client{ID: int64(10_000 + i), Name: "Other " + itoa(i)})
			}
			first := w.resync(conn)
			if first.State != repo.StateSucceeded || !first.Complete || first.Unchanged != 130 || first.Refreshed != 0 {
				t.Errorf("nothing has changed: %s", counts(first))
			}
			w.tenant.Rename(5, "Renamed")
			w.tenant.Deactivate(6)
			w.tenant.Delete(7)
			w.tenant.Merge(8, 9)
			began := time.Now()
			run := w.resync(conn)
			if run.Refreshed != 2 || run.Missing != 2 || run.State != repo.StateSucceeded || len(run.Items) != 2 {
				t.Errorf("%s, %d missing, items %v, %s", counts(run), run.Missing, run.Items, run.Error)
			}
			for _, m := range w.mappings("t1") {
				want := map[int64]repo.MappingState{6: repo.MappingInactive, 7: repo.MappingMissing, 8: repo.MappingMissing}[m.ClientID]
				if want == "" {
					want = repo.MappingOK
				}
				if m.State != want || (m.ClientID == 5) != (m.ClientName == "Renamed") || (m.StateReason != "") != (want == repo.MappingMissing) {
					t.Errorf("mapping %+v, want %s", m, want)
				}
				if m.LastVerifiedAt == nil || m.LastVerifiedAt.Before(began.Add(-time.Second)) {
					t.Errorf("client %d was last verified at %v", m.ClientID, m.LastVerifiedAt)
				}
			}
			events, err := w.store.Events(t.Context(), "t1", repo.EventFilter{RunID: &run.ID})
			if err != nil || len(events) != 4 {
				t.Errorf("%d events, %v", len(events), err)
			}

			w.tenant.Add(halotest.Client{ID: 7, Name: "Back"})
			w.tenant.Activate(6)
			if run := w.resync(conn); run.Refreshed != 2 || run.Missing != 0 {
				t.Errorf("restored in Halo: %s", counts(run))
			}
			if s := w.states("t1"); s[7] != repo.MappingOK || s[6] != repo.MappingOK || s[8] != repo.MappingMissing {
				t.Errorf("states %v", s)
			}
		})
	}
}

// Clients that become hidden when the agent loses a right do not count as deleted,
// however Halo reports them.
func TestResyncWithoutRights(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"a listing": 60, "one by one": 1} {
		for _, forbidden := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", forbidden ", forbidden), func(t *testing.T) {
				t.Parallel()
				w := newFixture(t, 0, halotest.WithProfile(halotest.Profile{HiddenForbidden: forbidden}))
				plainClients(w, n)
				conn := w.connect("t1", "c")
				w.importAll(conn)
				w.app.Rights(halotest.ReadNone)
				run := w.resync(conn)
				if run.State != repo.StatePartial || run.Missing != 0 || run.Error == "" {
					t.Errorf("%s: %s", counts(run), run.Error)
				}
				for id, s := range w.states("t1") {
					if s != repo.MappingOK {
						t.Errorf("client %d is %s", id, s)
					}
				}
			})
		}
	}
}

// If half of the clients are missing, the run changes nothing until a person approves
// it.
func TestResyncIsHeld(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 60)
	conn := w.connect("t1", "c")
	w.importAll(conn)
	for id := int64(2); id < 32; id++ {
		w.tenant.Delete(id)
	}
	w.tenant.Rename(40, "Renamed")
	j := resyncJob(conn)
	run := w.resyncJob(j)
	if run.State != repo.StateHeld || run.Missing != 30 || !strings.Contains(run.Error, "of 60 mappings, up to 30") || !strings.Contains(run.Error, "runs approve "+j.RunID) {
		t.Errorf("%s, %d missing: %s", counts(run), run.Missing, run.Error)
	}
	for _, m := range w.mappings("t1") {
		if m.State != repo.MappingOK || m.ClientName == "Renamed" {
			t.Errorf("the held run changed %+v", m)
		}
	}
	if _, err := w.store.ApproveRun(t.Context(), "t1", run.ID, "ann"); err != nil {
		t.Fatal(err)
	}
	run = w.resyncJob(j)
	if run.State != repo.StateSucceeded || run.Missing != 30 || run.Refreshed != 1 || run.ApprovedBy != "ann" {
		t.Errorf("approved: %s, %d missing: %s", counts(run), run.Missing, run.Error)
	}
	if _, err := w.store.ApproveRun(t.Context(), "t1", run.ID, "ann"); err == nil {
		t.Error("a run that is not held was approved")
	}
	if next := w.resync(conn); next.State != repo.StateSucceeded || next.Missing != 0 {
		t.Errorf("the night after: %s", counts(next))
	}
}

// A different Halo has different clients under the same ids.
func TestResyncOfAnotherHalo(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 40)
	conn := w.connect("t1", "c")
	w.importAll(conn)
	other := w.halo.Tenant("other")
	other.App(testApp, testSecret)
	for id := int64(2); id < 60; id++ {
		other.Add(halotest.Client{ID: id, Name: fmt.Sprint("Stranger ", id)})
	}
	name, none := "other", ""
	conn, receipt, err := w.engine.UpdateConnection(t.Context(), "t1", "ann", "c", engine.ConnectionChange{HaloTenant: &name})
	if err != nil || receipt.RunID == "" {
		t.Fatalf("%+v, %v", receipt, err)
	}
	j := resyncJob(conn)
	j.RunID = receipt.RunID
	run := w.resyncJob(j)
	if run.State != repo.StateHeld || !strings.Contains(run.Error, "only 0 of 20 known clients") {
		t.Errorf("%s: %s", counts(run), run.Error)
	}
	if run := w.finish(job(all(conn))); run.State != repo.StateHeld {
		t.Errorf("import: %s: %s", counts(run), run.Error)
	}
	frozen, err := w.store.Connection(t.Context(), "t1", conn.ID)
	if err != nil || frozen.State != repo.NeedsReconnect || !strings.Contains(frozen.StateReason, "looks like another Halo") {
		t.Errorf("connection %s: %s, %v", frozen.State, frozen.StateReason, err)
	}
	for _, m := range w.mappings("t1") {
		if m.State != repo.MappingOK || strings.HasPrefix(m.ClientName, "Stranger") {
			t.Errorf("changed: %+v", m)
		}
	}
	conn, receipt, err = w.engine.UpdateConnection(t.Context(), "t1", "ann", "c", engine.ConnectionChange{HaloTenant: &none})
	if err != nil || conn.State != repo.Active {
		t.Fatalf("%+v, %v", conn, err)
	}
	j = resyncJob(conn)
	j.RunID = receipt.RunID
	if run := w.resyncJob(j); run.State != repo.StateSucceeded || run.Unchanged != 40 {
		t.Errorf("back again: %s: %s", counts(run), run.Error)
	}
}

// Refused credentials stop a connection. New credentials reactivate it and start a
// resync.
func TestResyncWithBadCredentials(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 40)
	conn := w.connect("t1", "c")
	w.importAll(conn)
	w.app.SetSecret("another")
	run := w.resync(conn)
	stopped, err := w.store.Connection(t.Context(), "t1", conn.ID)
	if run.State != repo.StateFailed || err != nil || stopped.State != repo.NeedsReconnect || stopped.StateReason == "" {
		t.Errorf("%s, %s: %s, %v", counts(run), stopped.State, stopped.StateReason, err)
	}
	value := secret.NewString("another")
	conn, receipt, err := w.engine.UpdateConnection(t.Context(), "t1", "ann", "c", engine.ConnectionChange{Secret: &value})
	if err != nil || conn.State != repo.Active {
		t.Fatalf("%+v, %v", conn, err)
	}
	j := resyncJob(conn)
	j.RunID = receipt.RunID
	if run := w.resyncJob(j); run.State != repo.StateSucceeded {
		t.Errorf("with the new secret: %s: %s", counts(run), run.Error)
	}
}

// A client that Halo fails to return does not delay the other clients and does not
// count as deleted.
func TestResyncOfBrokenClients(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	w.engine = w.engine.With(func(c *enginetest.Config) { c.RetryBudget = time.Millisecond })
	plainClients(w, 50)
	conn := w.connect("t1", "c")
	w.importAll(conn)
	w.tenant.Delete(5)
	w.tenant.Delete(6)
	w.halo.Fault(halotest.Rule{Route: halotest.RouteDetail, ClientID: 5, Times: halotest.Forever}, halotest.Status(500, ""))
	w.halo.Fault(halotest.Rule{Route: halotest.RouteDetail, ClientID: 6, Times: halotest.Forever}, halotest.Status(403, ""))
	run := w.resync(conn)
	if run.State != repo.StatePartial || run.Unverified != 2 || run.Missing != 0 || len(run.Items) != 2 {
		t.Errorf("%s, %d unverified: %s", counts(run), run.Unverified, run.Error)
	}
	if s := w.states("t1"); s[5] != repo.MappingUnverified || s[6] != repo.MappingUnverified {
		t.Errorf("states of 5 and 6: %s, %s", s[5], s[6])
	}
	w.halo.ClearFaults()
	if run := w.resync(conn); run.State != repo.StateSucceeded || run.Missing != 2 {
		t.Errorf("%s, %d missing: %s", counts(run), run.Missing, run.Error)
	}
	// If reading by id returns 404 for every client, a 404 proves nothing.
	w.tenant.Delete(7)
	w.halo.Fault(halotest.Rule{Route: halotest.RouteDetail, Times: halotest.Forever}, halotest.Status(404, ""))
	if run := w.resync(conn); run.State != repo.StatePartial || run.Missing != 0 {
		t.Errorf("%s, %d missing: %s", counts(run), run.Missing, run.Error)
	}
}

// A resync takes about as many requests as the cheaper of its two methods.
func TestResyncRequests(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0, halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off}))
	clients := 10_000
	if devstack.Long() {
		clients = 100_000
	}
	batch := make([]halotest.Client, clients)
	for i := range batch {
		batch[i] = halotest.Client{ID: int64(i + 1), Name: "Client " + itoa(i+1)}
	}
	w.tenant.Add(batch...)
	for _, mapped := range []int{clients / 100, clients * 9 / 10} {
		conn := w.connect(fmt.Sprint("t", mapped), "c")
		repotest.MapClients(t, w.url, conn, 1, mapped)
		cheaper := min(mapped, clients/100)
		for _, night := range []string{"first", "second"} {
			w.halo.ResetLog()
			run := w.resync(conn)
			if run.State != repo.StateSucceeded || run.Unchanged != mapped {
				t.Errorf("%d mappings: %s: %s", mapped, counts(run), run.Error)
			}
			requests := w.halo.Log().Requests
			t.Logf("%d mappings, %s night: %d requests, the cheaper method takes %d", mapped, night, requests, cheaper)
			if requests > cheaper+cheaper/10 {
				t.Errorf("%d mappings: %d requests, want about %d", mapped, requests, cheaper)
			}
		}
	}
}
