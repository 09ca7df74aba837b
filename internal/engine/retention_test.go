package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/tasks"
)

const day = 24 * time.Hour

func TestNextNight(t *testing.T) {
	t.Parallel()
	for now, want := range map[string]string{
		"2026-03-01T02:19:59Z":      "2026-03-01T02:20:00Z",
		"2026-03-01T02:20:00Z":      "2026-03-02T02:20:00Z",
		"2026-12-31T23:00:00Z":      "2027-01-01T02:20:00Z",
		"2026-03-29T03:30:00+02:00": "2026-03-29T02:20:00Z",
	} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := nextNight(at).Format(time.RFC3339); got != want {
			t.Errorf("after %s: %s, want %s", now, got, want)
		}
	}
}

// past gives connections runs that ended days ago and runs that never did.
func (w *world) past(conns []repo.Connection, days, each int) {
	w.t.Helper()
	for _, c := range conns {
		repotest.Exec(w.t, w.url, fmt.Sprintf(`
			insert into halosync.runs (id, tenant, connection_id, kind, request_key, state, queued_at, started_at, finished_at)
			select gen_random_uuid(), $1, $2, 'import', 'k' || n, 'succeeded', now() - interval '%[1]d days', now() - interval '%[1]d days', now() - interval '%[1]d days'
			from generate_series(1, %[2]d) n`, days, each), c.Tenant, c.ID)
		repotest.Exec(w.t, w.url, fmt.Sprintf(`
			insert into halosync.runs (id, tenant, connection_id, kind, request_key, queued_at)
			values (gen_random_uuid(), $1, $2, 'map', 'k', now() - interval '%d days')`, days), c.Tenant, c.ID)
	}
}

// due makes a job of the fleet due; nobody has it in hand any more.
func (w *world) due(job string) {
	w.t.Helper()
	repotest.Exec(w.t, w.url, `update halosync.upkeep set next_at = now() - interval '1 hour', held_until = now() - interval '1 second' where job = $1`, job)
}

func (w *world) runsLeft() (ended, unfinished int) {
	w.t.Helper()
	const count = `select count(*) from halosync.runs where finished_at is `
	return repotest.Value[int](w.t, w.url, count+`not null`), repotest.Value[int](w.t, w.url, count+`null`)
}

// At night one of the workers removes what is old, of all tenants, and nothing
// else; the next pass is a night later.
func TestOneWorkerSweepsANight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	conns := []repo.Connection{w.connect("acme", "one"), w.connect("globex", "two"), w.connect("initech", "three")}
	w.past(conns, 91, 250)
	repotest.Exec(t, w.url, `update halosync.runs set queued_at = now() - interval '91 days', finished_at = now() - interval '89 days'
		where id in (select id from halosync.runs where finished_at is not null and tenant = 'acme' limit 7)`)
	w.engine.keep = Retention{Runs: 90 * day, Events: 400 * day, Clients: 180 * day}
	w.second.keep = w.engine.keep
	var mu sync.Mutex
	var told [2]int
	for i, e := range []*Engine{w.engine, w.second} {
		e.forgot = func(f Forgotten) {
			mu.Lock()
			defer mu.Unlock()
			told[i] += f.Runs
		}
	}
	if err := w.engine.sweepIfDue(t.Context()); err != nil { // plans it
		t.Fatal(err)
	}
	if ended, _ := w.runsLeft(); ended != 750 {
		t.Errorf("on the day of the upgrade: %d runs left", ended)
	}
	w.due(repo.JobRetention)
	var both sync.WaitGroup
	for _, e := range []*Engine{w.engine, w.second} {
		both.Go(func() {
			if err := e.sweepIfDue(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if ended, unfinished := w.runsLeft(); ended != 7 || unfinished != 3 {
		t.Errorf("%d ended and %d unfinished runs are left, want 7 and 3", ended, unfinished)
	}
	if told != [2]int{743, 0} && told != [2]int{0, 743} {
		t.Errorf("the two workers removed %v runs, want one of them all", told)
	}
	fleet, err := w.engine.Fleet(t.Context())
	if err != nil || fleet.SweepLate != 0 || time.Since(fleet.SweptAt) > time.Minute {
		t.Errorf("afterwards: %+v, %v", fleet, err)
	}
}

// What is set to be kept for ever is; the job is done all the same.
func TestKeepForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.past([]repo.Connection{w.connect("acme", "one")}, 4000, 3)
	repotest.Exec(t, w.url, `insert into halosync.signin_tokens_used (tenant, hash, expires_at) values ('visitor', sha256('x'), now())`)
	w.due(repo.JobRetention)
	if err := w.engine.sweepIfDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ended, _ := w.runsLeft(); ended != 3 {
		t.Errorf("%d runs left, want all 3", ended)
	}
	if n := repotest.Value[int](t, w.url, `select count(*) from halosync.signin_tokens_used`); n != 0 {
		t.Errorf("%d tokens that have expired are left", n)
	}
	if fleet, err := w.engine.Fleet(t.Context()); err != nil || fleet.SweptAt.IsZero() {
		t.Errorf("%+v, %v", fleet, err)
	}
}

// A pass that ends with its worker is late, and goes on with another one, once
// that may believe the first to be gone; who comes back then does nothing more.
func TestBrokenOffSweepGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.past([]repo.Connection{w.connect("acme", "one")}, 91, 500)
	w.engine.keep, w.second.keep = Retention{Runs: 90 * day}, Retention{Runs: 90 * day}
	w.due(repo.JobRetention)
	dying, die := context.WithCancel(t.Context())
	w.engine.forgot = func(Forgotten) { die() }
	if err := w.engine.sweepIfDue(dying); !errors.Is(err, context.Canceled) {
		t.Fatalf("the first worker: %v", err)
	}
	if err := w.second.sweepIfDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ended, _ := w.runsLeft(); ended != 300 {
		t.Errorf("%d runs left while the first worker is believed in, want 300", ended)
	}
	if fleet, err := w.engine.Fleet(t.Context()); err != nil || fleet.SweepLate < time.Hour {
		t.Errorf("meanwhile: %+v, %v", fleet, err)
	}
	w.due(repo.JobRetention)
	frozen := &sweeper{store: w.store, keep: w.engine.keep, holder: uuid.New()}
	if _, err := w.store.TakeUpkeep(t.Context(), repo.JobRetention, frozen.holder, -time.Second); err != nil {
		t.Fatal(err)
	}
	if err := w.second.sweepIfDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ended, _ := w.runsLeft(); ended != 0 {
		t.Errorf("%d runs left in the end", ended)
	}
	if err := frozen.pass(t.Context()); !errors.Is(err, repo.ErrFenced) {
		t.Errorf("the frozen worker: %v", err)
	}
}

// A run that was forgotten does not come back by its task, which the queue's
// archive keeps for longer: neither by being asked for, nor by being set going.
func TestForgottenRunsStayForgotten(t *testing.T) {
	t.Parallel()
	q := newQueued(t)
	address, err := tasks.ParseAddress(q.redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	server, err := tasks.NewServer(tasks.ServerConfig{Redis: address})
	if err != nil {
		t.Fatal(err)
	}
	tasks.Handle(server, tasks.Import(), func(context.Context, tasks.Job[tasks.ImportArgs]) (tasks.RunResult, error) {
		return tasks.RunResult{}, tasks.Never(errors.New("no"))
	})
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	run := q.ask(1).RunID
	if _, err := q.queue.Wait(t.Context(), run); !errors.Is(err, tasks.ErrFailed) {
		t.Fatal(err)
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	repotest.Exec(t, q.url, `delete from halosync.runs`)
	if _, err := q.engine.Run(t.Context(), "acme", run); !errors.As(err, new(*NotFoundError)) {
		t.Errorf("run show: %v", err)
	}
	if _, err := q.engine.Retry(t.Context(), "acme", run, "ann"); !errors.As(err, new(*NotFoundError)) {
		t.Errorf("retry: %v", err)
	}
	q.engine.keep.Runs = 90 * day
	old, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	copy(old[:6], []byte{0x01, 0x80, 0, 0, 0, 0}) // in 2022
	j := job(all(q.conn))
	j.RunID = RunID(old)
	if _, err := q.engine.Import(t.Context(), j); err == nil || !strings.Contains(err.Error(), "its record is gone") {
		t.Errorf("set going in the archive: %v", err)
	}
	if ended, unfinished := q.runsLeft(); ended+unfinished != 0 {
		t.Errorf("%d runs are back", ended+unfinished)
	}
	if r := q.importAll(q.conn); r.State != repo.StateSucceeded {
		t.Errorf("asked anew: %s", r.State)
	}
}

// One worker counts, and all know: within its time, and more seldom if it takes long.
func TestOneWorkerCounts(t *testing.T) {
	t.Parallel()
	if got := []time.Duration{nextCount(time.Second / 2), nextCount(10 * time.Second)}; got[0] != 55*time.Second || got[1] != 500*time.Second {
		t.Errorf("next counts after %v", got)
	}
	w := newWorld(t, 5)
	conn := w.connect("acme", "one")
	w.importAll(conn)
	w.connect("globex", "two")
	repotest.Exec(t, w.url, `update halosync.connections set state = 'needs_reconnect' where tenant = 'globex'`)
	repotest.Exec(t, w.url, `update halosync.mappings set state = 'unverified', last_verified_at = now() - interval '3 days'
		where id = (select min(id::text)::uuid from halosync.mappings)`)
	w.past([]repo.Connection{conn}, 2, 1)
	var both sync.WaitGroup
	for _, e := range []*Engine{w.engine, w.second} {
		both.Go(func() {
			if err := e.countIfDue(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	f, err := w.second.Fleet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mapped := len(w.mappings("acme"))
	got := fmt.Sprint(f.Mappings["ok"]+f.Mappings["inactive"], f.Mappings["unverified"], f.Connections, f.Unfinished,
		time.Duration(f.OldestUnverified*1e9).Round(time.Hour), time.Duration(f.Undispatched*1e9).Round(time.Hour))
	if want := fmt.Sprint(mapped-1, 1, map[string]int{"active": 1, "needs_reconnect": 1}, map[string]map[string]int{"map": {"queued": 1}}, 3*day, 2*day); got != want {
		t.Errorf("counted %s, want %s", got, want)
	}
	counted := f.CountedAt
	if err := w.engine.countIfDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f, err = w.engine.Fleet(t.Context()); err != nil || !f.CountedAt.Equal(counted) {
		t.Errorf("counted again within its time: %v, %v", f.CountedAt, err)
	}
}
