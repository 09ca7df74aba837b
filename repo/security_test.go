package repo_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// told returns security events as text, oldest first.
func told(events []repo.SecurityEvent) (lines []string) {
	for _, e := range slices.Backward(events) {
		line := fmt.Sprintf("%s %s by %s: %s", e.Kind, e.Outcome, e.Actor, e.Detail)
		if e.Count > 1 {
			line += fmt.Sprintf(" (%d)", e.Count)
		}
		lines = append(lines, line)
	}
	return lines
}

// Changes of credentials and rights are recorded with their origin. A tenant sees its own
// events, and only the operator sees events without a tenant.
func TestSecurityEvents(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	ctx := repo.WithOrigin(t.Context(), repo.Origin{Address: "198.51.100.7", UserAgent: "Fire\u202efox\n1 " + strings.Repeat("x", 300)})
	key := must[repo.APIKey](t)(repotest.OpenAs(t, w.url).AddAPIKey(ctx, "acme", "ann", repo.NewAPIKey{ID: uuid.New(), Name: "ci", Scope: "write"}))
	for n := range byte(2) {
		if err := w.AddSession(ctx, "acme", repo.NewSession{Hash: [32]byte{n}, Actor: "key:ci", Scope: "write", APIKeyID: &key.ID, For: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	domain, fresh := "https://other.halopsa.com/api", secret.NewString("other")
	must[repo.Connection](t)(w.UpdateConnection(ctx, "acme", "ann", w.conn, repo.ConnectionChange{Domain: &domain, Secret: &fresh}))
	name := "renamed" // a new name is not a change of credentials
	must[repo.Connection](t)(w.UpdateConnection(ctx, "acme", "ann", w.conn, repo.ConnectionChange{Name: &name}))
	equal(t, "ended", must[int](t)(w.EndSessions(ctx, "acme", "ann", repo.SessionFilter{Actor: "key:ci"})), 2)
	if _, _, err := repotest.OpenAs(t, w.url).RevokeAPIKey(ctx, "acme", "ann", "ci"); err != nil {
		t.Fatal(err)
	}
	if err := w.AddSecurityEvents(t.Context(), repo.SecurityEvent{Kind: repo.SecuritySignIn, Outcome: repo.SecurityRefused, Address: "203.0.113.9", Count: 40}); err != nil {
		t.Fatal(err)
	}
	ours := must[[]repo.SecurityEvent](t)(w.SecurityEvents(t.Context(), "acme", repo.SecurityFilter{}))
	equal(t, "events", told(ours), []string{
		`apikey.added succeeded by ann: key "ci", scope write`,
		`signin succeeded by key:ci: scope write`,
		`signin succeeded by key:ci: scope write`,
		`connection.address succeeded by ann: "main": https://acme.halopsa.com/api to https://other.halopsa.com/api`,
		`connection.secret succeeded by ann: "main": secret replaced`,
		`session.ended succeeded by ann: of key:ci (2)`,
		`apikey.revoked succeeded by ann: key "ci", scope write, sessions ended: 0`,
	})
	for _, e := range ours {
		equal(t, "origin", []any{e.Tenant, e.Address, e.UserAgent}, []any{"acme", "198.51.100.7", ("Firefox 1 " + strings.Repeat("x", 300))[:200]})
	}
	equal(t, "another tenant's", len(must[[]repo.SecurityEvent](t)(w.SecurityEvents(t.Context(), "globex", repo.SecurityFilter{}))), 0)
	all := must[[]repo.SecurityEvent](t)(w.SecurityEventsOfAll(t.Context(), repo.SecurityFilter{}))
	equal(t, "of the installation", told(all[:1]), []string{"signin refused by :  (40)"})
	equal(t, "rights of the programs", told(all[len(all)-2:]), []string{
		`role.granted succeeded by postgres:postgres: role "halosync_worker" was given the rights that a worker needs`,
		`role.granted succeeded by postgres:postgres: role "halosync_cli" was given the rights that the command enqueue needs`,
	})
	older := must[[]repo.SecurityEvent](t)(w.SecurityEvents(t.Context(), "acme", repo.SecurityFilter{Before: ours[2].ID, Limit: 2}))
	equal(t, "next page", told(older), told(ours[3:5]))
}

// The database sets the id, the time and the role, regardless of the values in a
// statement. Not even the owner can change an event, and only forget_security_events
// deletes old events.
func TestSecurityEventsCannotBeForged(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	worker := repotest.Worker(t, w.url)
	forged := `insert into halosync.security_events (id, at, tenant, kind, outcome, actor, written_by) values (-7, now() - interval '1 year', 'acme', 'signin', 'succeeded', 'eve', 'ann')`
	if said := repotest.Refusal(t, worker, forged); !strings.Contains(said, "permission denied") {
		t.Errorf("as the programs: %s", said)
	}
	repotest.Exec(t, worker, `insert into halosync.security_events (tenant, kind, outcome, actor) values ('acme', 'signin', 'succeeded', 'eve')`)
	repotest.Exec(t, w.url, forged)
	equal(t, "stamped", repotest.Value[int](t, w.url, `select count(*) from halosync.security_events where actor = 'eve' and id > 0 and at > now() - interval '1 hour'`), 2)
	equal(t, "roles", repotest.Value[[]string](t, w.url, `select array_agg(written_by order by id) from halosync.security_events where actor = 'eve'`), []string{"halosync_worker", "postgres"})
	for _, sql := range []string{`update halosync.security_events set actor = 'ann'`, `delete from halosync.security_events`, `truncate halosync.security_events`} {
		if said := repotest.Refusal(t, worker, sql); !strings.Contains(said, "permission denied") {
			t.Errorf("as the programs, %s: %s", sql, said)
		}
		if said := repotest.Refusal(t, w.url, sql); !strings.Contains(said, "append-only") {
			t.Errorf("as the owner, %s: %s", sql, said)
		}
	}
	for _, sql := range []string{
		`select setval('halosync.security_events_id', 1)`,
		`alter table halosync.security_events disable trigger security_events_stamped`,
	} {
		if err := tryExec(t, worker, sql); err == nil {
			t.Errorf("as the programs: %s was accepted", sql)
		}
	}
	ageSecurityEvents(t, w.url, `actor = 'eve'`, 89)
	equal(t, "young ones", gone(t)(w.ForgetSecurityEvents(t.Context(), 0, 100)), 0)
	ageSecurityEvents(t, w.url, `actor = 'eve'`, 2)
	equal(t, "kept by their age", gone(t)(w.ForgetSecurityEvents(t.Context(), 400*day, 100)), 0)
	equal(t, "old ones", gone(t)(w.ForgetSecurityEvents(t.Context(), 0, 100)), 2)
}

// gone returns the number of deleted rows.
func gone(t *testing.T) func(int, bool, error) int {
	t.Helper()
	return func(n int, _ bool, err error) int {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
}

// ageSecurityEvents moves the times of events back, which the trigger would otherwise
// refuse.
func ageSecurityEvents(t testing.TB, url, where string, days int) {
	t.Helper()
	repotest.Exec(t, url, fmt.Sprintf(`do $$ begin
		alter table halosync.security_events disable trigger security_events_append_only;
		update halosync.security_events set at = at - interval '%d days' where %s;
		alter table halosync.security_events enable trigger security_events_append_only;
	end $$`, days, where))
}

// Workers export each event once, including an event whose transaction ended after the
// transaction of a later event.
func TestExportSecurityEvents(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	var mu sync.Mutex
	var got []string
	export := func(store *repo.Store) (n int) {
		for {
			m, err := store.ExportSecurityEvents(t.Context(), func(events []repo.SecurityEvent) {
				mu.Lock()
				defer mu.Unlock()
				for _, e := range events {
					got = append(got, e.Actor)
				}
			})
			if err != nil {
				t.Error(err)
			}
			if n += m; m == 0 {
				return n
			}
		}
	}
	export(w.Store) // the event of the template
	got = nil
	const add = `insert into halosync.security_events (tenant, kind, outcome, actor) values ('acme', 'signin', 'succeeded', $1)`
	conn := must[*pgx.Conn](t)(pgx.Connect(t.Context(), w.url))
	defer func() { _ = conn.Close(context.Background()) }()
	slow := must[pgx.Tx](t)(conn.Begin(t.Context()))
	must[any](t)(slow.Exec(t.Context(), add, "slow"))
	lost := must[*pgx.Conn](t)(pgx.Connect(t.Context(), w.url))
	defer func() { _ = lost.Close(context.Background()) }()
	rolledBack := must[pgx.Tx](t)(lost.Begin(t.Context()))
	must[any](t)(rolledBack.Exec(t.Context(), add, "rolled back"))
	if err := rolledBack.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	repotest.Exec(t, w.url, add, "quick")
	equal(t, "before the commit", []any{export(w.Store), got}, []any{1, []string{"quick"}})
	if err := slow.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	equal(t, "after the commit", []any{export(w.Store), got}, []any{1, []string{"quick", "slow"}})
	equal(t, "again", export(w.Store), 0)

	got = nil
	const many = 1300
	repotest.Exec(t, w.url, `insert into halosync.security_events (tenant, kind, outcome, actor) select 'acme', 'signin', 'succeeded', n::text from generate_series(1, 1300) n`)
	second := repotest.OpenAs(t, repotest.Worker(t, w.url))
	var both sync.WaitGroup
	for _, store := range []*repo.Store{w.Store, second} {
		both.Go(func() { export(store) })
	}
	both.Wait()
	export(w.Store)
	slices.Sort(got)
	equal(t, "by two workers", []int{len(got), len(slices.Compact(got))}, []int{many, many})
	if state := repotest.Value[int](t, w.url, `select length(result::text) from halosync.upkeep where job = 'security'`); state > 500 {
		t.Errorf("the position takes %d characters", state)
	}
}
