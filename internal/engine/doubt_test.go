package engine_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// mapping returns the active mapping of a client.
func (w *fixture) mapping(tenant string, client int64) repo.Mapping {
	w.t.Helper()
	for _, m := range w.mappings(tenant) {
		if m.ClientID == client {
			return m
		}
	}
	w.t.Fatalf("client %d is not mapped", client)
	return repo.Mapping{}
}

// nextNight makes the last resync of a connection a day older.
func (w *fixture) nextNight() {
	w.t.Helper()
	repotest.Exec(w.t, w.url, `update halosync.mappings set vanished_at = vanished_at - interval '1 day', mapped_at = mapped_at - interval '1 day',
		last_verified_at = last_verified_at - interval '1 day'`)
	repotest.Exec(w.t, w.url, `update halosync.connections set listed_at = listed_at - interval '1 day', verified_at = verified_at - interval '1 day'`)
}

// refuse makes Halo answer every request for the given client with the given status.
func (w *fixture) refuse(client int64, status int) {
	w.halo.Fault(halotest.Rule{Route: halotest.RouteDetail, ClientID: client, Times: halotest.Forever}, halotest.Status(status, ""))
}

// A 401 to the request for one client concerns only that client, because Halo accepts the
// token for the list. All other findings are applied, and the connection stays active.
func TestOneClientIsUnauthorized(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"listing", "ids"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, 0)
			plainClients(w, 60)
			conn := w.connect("t1", "c")
			w.importAll(conn)
			if way == "ids" {
				repotest.Exec(t, w.url, `update halosync.connections set clients_pages = 71`)
			}
			w.refuse(5, 401)
			w.tenant.Delete(5)
			w.tenant.Delete(6)
			w.tenant.Rename(7, "Renamed")
			run := w.resync(conn)
			if run.State != repo.StatePartial || run.Unverified != 1 || run.Missing != 1 || run.Refreshed != 1 {
				t.Errorf("%s, %d unverified, %d missing: %s", counts(run), run.Unverified, run.Missing, run.Error)
			}
			if m := w.mapping("t1", 5); m.State != repo.MappingUnverified || !strings.Contains(m.StateReason, "not allowed to read this client (status 401)") {
				t.Errorf("mapping %+v", m)
			}
			if conn, err := w.engine.FindConnection(t.Context(), "t1", "c"); err != nil || conn.State != repo.Active {
				t.Errorf("connection is %s, %v", conn.State, err)
			}
		})
	}
}

// A 401 to every request concerns the connection.
func TestEveryClientIsUnauthorized(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 60)
	conn := w.connect("t1", "c")
	w.importAll(conn)
	w.tenant.Delete(5)
	w.halo.Fault(halotest.Rule{Route: halotest.RouteDetail, Times: halotest.Forever}, halotest.Status(401, ""))
	w.halo.Fault(halotest.Rule{Route: halotest.RouteList, Nth: 3, Times: halotest.Forever}, halotest.Status(401, "")) // after page 1 and its proof
	run := w.resync(conn)
	if conn, err := w.engine.FindConnection(t.Context(), "t1", "c"); err != nil || conn.State != repo.NeedsReconnect || run.State != repo.StateFailed {
		t.Errorf("%s: %s; connection is %s, %v", counts(run), run.Error, conn.State, err)
	}
}

// Other runs, and a restore, treat a 401 for a single client in the same way.
func TestOneClientIsUnauthorizedElsewhere(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 10)
	conn := w.connect("t1", "c")
	w.importAll(conn)
	w.refuse(5, 401)
	args := all(conn)
	args.All, args.ClientIDs = false, []int64{4, 5}
	if run := w.finish(job(args)); run.Unchanged != 1 || run.Failed != 1 {
		t.Errorf("import: %s: %s", counts(run), run.Error)
	}
	ids := []string{w.mapping("t1", 5).ID.String(), w.mapping("t1", 6).ID.String()}
	if _, err := w.engine.UnmapNow(t.Context(), "t1", "ann", ids); err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Restore(t.Context(), "t1", "ann", ids); err != nil {
		t.Fatal(err)
	}
	if s := w.states("t1"); s[5] != repo.MappingUnverified || s[6] != repo.MappingOK {
		t.Errorf("restored: client 5 is %s, client 6 is %s", s[5], s[6])
	}
	repotest.Exec(t, w.url, `update halosync.mappings set state = 'ok' where client_id = 5`)
	repotest.Exec(t, w.url, `update halosync.connections set instance_unsure = true`)
	if run := w.resync(conn); run.State != repo.StateSucceeded {
		t.Errorf("sample of known clients: %s: %s", counts(run), run.Error)
	}
	if conn, err := w.engine.FindConnection(t.Context(), "t1", "c"); err != nil || conn.State != repo.Active {
		t.Errorf("connection is %s, %v", conn.State, err)
	}
}

// Without a count, two equal passes show which clients are missing, and only these are
// read by id.
func TestResyncWithoutCount(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0, halotest.WithProfile(halotest.Profile{RateLimit: halotest.Off, RecordCount: halotest.CountMissing}))
	plainClients(w, 1950)
	conn := w.connect("t1", "c")
	if run := w.importAll(conn); !run.Complete || run.Created != 1950 {
		t.Fatalf("%s: %s", counts(run), run.Error)
	}
	repotest.Exec(t, w.url, `update halosync.connections set clients_pages = null`)
	w.tenant.Delete(7)
	w.tenant.Delete(1200)
	w.tenant.Rename(900, "Renamed")
	w.halo.ResetLog()
	run := w.resync(conn)
	if run.State != repo.StateSucceeded || run.Missing != 2 || run.Refreshed != 1 {
		t.Errorf("%s, %d missing: %s", counts(run), run.Missing, run.Error)
	}
	if n := w.halo.Log().Requests; n > 2*22+8 {
		t.Errorf("%d requests for two passes of 21 pages and two missing clients", n)
	}
}

// If a small Halo sends no count and repeats its only page, no listing can be proved
// complete. Only the clients that the page does not show are read by id.
func TestResyncOfOnePageWithoutCount(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0, halotest.WithProfile(halotest.Profile{RecordCount: halotest.CountMissing}))
	plainClients(w, 60)
	conn := w.connect("t1", "c")
	if run := w.importAll(conn); run.Complete || run.Created != 60 || !strings.Contains(run.Error, "sent them again as page 2") {
		t.Errorf("%s: %s", counts(run), run.Error)
	}
	w.tenant.Delete(7)
	w.tenant.Rename(9, "Renamed")
	w.halo.ResetLog()
	run := w.resync(conn)
	if run.State != repo.StateSucceeded || run.Missing != 1 || run.Refreshed != 1 {
		t.Errorf("%s, %d missing: %s", counts(run), run.Missing, run.Error)
	}
	if n := w.halo.Log().Requests; n > 15 {
		t.Errorf("%d requests", n)
	}
}

// A client that Halo no longer lists, but still returns by id, does not count as verified.
// The reason names the day when it was last listed, and this day does not change.
func TestUnlistedClient(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 40)
	conn := w.connect("t1", "c")
	w.importAll(conn)
	hide := func(id int64) {
		c, _ := w.tenant.Get(id)
		w.tenant.Delete(id)
		w.halo.Fault(halotest.Rule{Route: halotest.RouteDetail, ClientID: id, Times: halotest.Forever},
			halotest.Status(200, fmt.Sprintf(`{"id":%d,"name":%q,"inactive":false}`, id, c.Name)))
	}
	day := func(ago int) string { return time.Now().UTC().AddDate(0, 0, -ago).Format(time.DateOnly) }
	want := func(id int64, reason string) {
		t.Helper()
		m := w.mapping("t1", id)
		if m.State != repo.MappingUnverified || m.StateReason != "not listed: Halo shows the client by its id, but not in its list of clients; "+reason {
			t.Errorf("client %d: %s, %q", id, m.State, m.StateReason)
		}
	}
	hide(5)
	run := w.resync(conn)
	if run.State != repo.StatePartial || run.Unverified != 1 || len(run.Items) != 1 {
		t.Errorf("%s: %s, items %v", counts(run), run.Error, run.Items)
	}
	want(5, "it was last listed on "+day(0)) // by the import

	w.nextNight()
	w.nextNight()
	hide(6)
	verified := w.mapping("t1", 5).LastVerifiedAt
	if run = w.resync(conn); run.Unverified != 2 {
		t.Errorf("%s: %s", counts(run), run.Error)
	}
	want(5, "it was last listed on "+day(0)) // as above: the text does not change
	want(6, "it was last listed on "+day(2))
	if m := w.mapping("t1", 5); verified == nil || !m.LastVerifiedAt.Equal(*verified) {
		t.Errorf("last verified at %v, want %v", m.LastVerifiedAt, verified)
	}
	events, err := w.store.Events(t.Context(), "t1", repo.EventFilter{RunID: &run.ID})
	if err != nil || len(events) != 1 || events[0].Action != "mapping.unverified" {
		t.Errorf("events %+v, %v", events, err)
	}

	// A night on which the client cannot be read does not change the day in the reason.
	w.halo.ClearFaults()
	w.refuse(5, 403)
	w.refuse(6, 403)
	w.nextNight()
	w.resync(conn)
	w.nextNight()
	w.halo.ClearFaults()
	w.halo.Fault(halotest.Rule{Route: halotest.RouteDetail, ClientID: 6, Times: halotest.Forever}, halotest.Status(200, `{"id":6,"name":"x"}`))
	w.resync(conn)
	want(6, "it was last listed on "+day(4))

	// Listed again.
	w.halo.ClearFaults()
	w.tenant.Add(halotest.Client{ID: 5, Name: "Back"}, halotest.Client{ID: 6, Name: "Back, too"})
	if run = w.resync(conn); run.State != repo.StateSucceeded || run.Refreshed != 2 {
		t.Errorf("%s: %s", counts(run), run.Error)
	}
	if m := w.mapping("t1", 5); m.State != repo.MappingOK || m.StateReason != "" {
		t.Errorf("mapping %+v", m)
	}
}

// If up to three clients vanish, they are marked at once, with a reason that claims no
// more than is known. If more vanish together, a run on another night must confirm that
// they are gone.
func TestClientsVanishTogether(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"listing", "ids"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, 0)
			plainClients(w, 60)
			conn := w.connect("t1", "c")
			w.importAll(conn)
			if way == "ids" {
				repotest.Exec(t, w.url, `update halosync.connections set clients_pages = 100`)
			}
			hidden := map[int64]bool{}
			rights := func() { // a token keeps its rights
				now := maps.Clone(hidden)
				w.app.Rights(halotest.ReadSome(func(id int64) bool { return !now[id] }))
				w.app.Revoke()
			}
			hide := func(ids ...int64) {
				for _, id := range ids {
					hidden[id] = true
				}
				rights()
			}
			want := func(run repo.Run, state repo.RunState, missing, unverified int) {
				t.Helper()
				if run.State != state || run.Missing != missing || run.Unverified != unverified {
					t.Errorf("%s, %d missing, %d unverified: %s; want %s, %d, %d", counts(run), run.Missing, run.Unverified, run.Error, state, missing, unverified)
				}
			}
			hide(2, 3, 4)
			want(w.resync(conn), repo.StateSucceeded, 3, 0)
			if m := w.mapping("t1", 2); m.StateReason != "Halo no longer shows it; it was deleted, or the agent lost the right to read it" {
				t.Errorf("reason %q", m.StateReason)
			}

			w.nextNight()
			hide(10, 11, 12, 13)
			run := w.resync(conn)
			want(run, repo.StatePartial, 0, 4)
			if m := w.mapping("t1", 10); m.State != repo.MappingUnverified || !strings.Contains(m.StateReason, "the next nightly resync checks again") || len(run.Items) != 4 {
				t.Errorf("mapping %+v, items %v", m, run.Items)
			}
			want(w.resync(conn), repo.StatePartial, 0, 4) // a person starts another resync on the same night
			delete(hidden, 12)
			rights()
			want(w.resync(conn), repo.StatePartial, 0, 3) // the others still wait
			hide(12)
			want(w.resync(conn), repo.StatePartial, 0, 4)

			// One of them comes back. The others are still hidden, and a new one vanishes.
			w.nextNight()
			delete(hidden, 13)
			hide(20)
			want(w.resync(conn), repo.StateSucceeded, 4, 0)
			s := w.states("t1")
			if s[10] != repo.MappingMissing || s[13] != repo.MappingOK || s[20] != repo.MappingMissing {
				t.Errorf("states %v", s)
			}

			// If the client that came back vanishes again, it counts as newly missing.
			w.nextNight()
			hide(13, 30, 31, 32)
			want(w.resync(conn), repo.StatePartial, 0, 4)

			// An import that sees a client also ends the doubt about this client.
			delete(hidden, 13)
			rights()
			w.importAll(conn)
			w.nextNight()
			hide(13, 40, 41, 42)
			want(w.resync(conn), repo.StatePartial, 3, 4)
		})
	}
}

// If more clients are missing than one resync may mark, the run is still held. A person's
// approval replaces the second night.
func TestApprovedRunDoesNotWait(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 60)
	conn := w.connect("t1", "c")
	w.importAll(conn)
	for id := int64(2); id < 32; id++ {
		w.tenant.Delete(id)
	}
	j := resyncJob(conn)
	run := w.resyncJob(j)
	if run.State != repo.StateHeld {
		t.Fatalf("%s: %s", counts(run), run.Error)
	}
	if _, err := w.store.ApproveRun(t.Context(), "t1", run.ID, "ann"); err != nil {
		t.Fatal(err)
	}
	if run = w.resyncJob(j); run.State != repo.StateSucceeded || run.Missing != 30 {
		t.Errorf("%s, %d missing: %s", counts(run), run.Missing, run.Error)
	}
}

// Restoring a mapping clears any earlier doubt about its client. If a run is interrupted
// while it applies its findings, the next attempt still finds that too many clients
// vanished.
func TestDoubtOutlivesACrash(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 0)
	plainClients(w, 60)
	conn := w.connect("t1", "c")
	w.importAll(conn)
	for id := int64(2); id < 7; id++ {
		w.tenant.Delete(id)
	}
	j := resyncJob(conn)
	claim := w.claimResync(j.RunID, conn)
	for id := int64(2); id < 7; id++ {
		repotest.Exec(t, w.url, `insert into halosync.run_findings (tenant, run_id, client_id, outcome, reason) values ('t1', $1::uuid, $2, 'missing', 'gone')`, j.RunID, id)
	}
	for range 2 { // repeating it changes nothing
		if _, err := w.store.DoubtVanished(t.Context(), claim.Ref, 3, 12*time.Hour, "vanished"); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := w.store.ApplyFindings(t.Context(), claim.Ref, 3); err != nil || n != 3 { // and the worker dies
		t.Fatalf("%d applied, %v", n, err)
	}
	if run := w.resyncJob(j); run.Missing != 0 || run.Unverified < 5 {
		t.Errorf("%s, %d missing, %d unverified", counts(run), run.Missing, run.Unverified)
	}
	m := w.mapping("t1", 2)
	if _, err := w.engine.UnmapNow(t.Context(), "t1", "ann", []string{m.ID.String()}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Restore(t.Context(), "t1", "ann", []string{m.ID.String()}); err != nil {
		t.Fatal(err)
	}
	if m = w.mapping("t1", 2); m.State != repo.MappingMissing || !strings.Contains(m.StateReason, "it was deleted, or the agent may not read it") {
		t.Errorf("restored: %+v", m)
	}
	if n := repotest.Value[int](t, w.url, `select count(*) from halosync.mappings where client_id = 2 and vanished_at is not null`); n != 0 {
		t.Error("the restored mapping is still waiting for another night")
	}
}

// claimResync claims a resync that the queue holds, as a worker does.
func (w *fixture) claimResync(runID string, conn repo.Connection) repo.Claim {
	w.t.Helper()
	claim, err := w.store.ClaimRun(w.t.Context(), repo.NewRun{
		ID: mustID(w.t, runID), Tenant: conn.Tenant, ConnectionID: conn.ID, Kind: repo.KindResync, RequestKey: "test-" + runID,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return claim
}

// A count is a claim. An import is complete only if it has every client, and it has every
// client if Halo divides the list into pages at all.
func TestImportOfWrongCounts(t *testing.T) {
	t.Parallel()
	for name, count := range map[string]halotest.RecordCount{
		"missing": halotest.CountMissing, "of the page": halotest.CountPage, "of page 1": halotest.CountFirstPage,
		"too small": halotest.CountTooSmall, "too large": halotest.CountTooLarge,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, 0, halotest.WithProfile(halotest.Profile{RecordCount: count}))
			plainClients(w, 250)
			run := w.importAll(w.connect("t1", "c"))
			if run.Complete != (count != halotest.CountTooLarge) || run.Created != 250 || run.RecordsTotal < 250 {
				t.Errorf("%s of %d: %s", counts(run), run.RecordsTotal, run.Error)
			}
			if n := w.halo.Log().Requests; n > 22 { // at most three passes of three pages, plus the end of the list and its proof
				t.Errorf("%d requests", n)
			}
		})
	}
}

// A normal Halo costs no more requests than before, except one if the last page is full.
func TestProofRequests(t *testing.T) {
	t.Parallel()
	for clients, want := range map[int]int{9: 1, 250: 5, 300: 6, 100: 2} {
		w := newFixture(t, 0)
		plainClients(w, clients)
		conn := w.connect("t1", "c")
		w.halo.ResetLog()
		if run := w.importAll(conn); !run.Complete || run.Pages != (clients+99)/100 {
			t.Errorf("%d clients: %s, %d pages", clients, counts(run), run.Pages)
		}
		if n := w.halo.Log().Requests; n > want+1 { // and a token
			t.Errorf("%d clients: %d requests, want %d and a token", clients, n, want)
		}
	}
}
