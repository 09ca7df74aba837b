package scheduler

import (
	"sync"
	"testing"

	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// Two workers together export each security event once. The nightly retention removes
// old events, at the earliest after 90 days.
func TestSecurityEventsAreExportedOnce(t *testing.T) {
	t.Parallel()
	w := newFleet(t)
	var mu sync.Mutex
	seen := map[string]int{}
	for _, e := range []*Scheduler{w.first, w.second} {
		e.cfg.SecurityEvent = func(e repo.SecurityEvent) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind != repo.SecurityRoleGranted { // the template database contains this event
				seen[e.Actor]++
			}
		}
	}
	repotest.Exec(t, w.url, `insert into halosync.security_events (kind, outcome, actor) select 'signin', 'succeeded', n::text from generate_series(1, 700) n`)
	var both sync.WaitGroup
	for _, e := range []*Scheduler{w.first, w.second} {
		both.Go(func() {
			if err := e.exportSecurity(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if err := w.first.exportSecurity(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 700 {
		t.Errorf("%d events exported", len(seen))
	}
	for actor, n := range seen {
		if n != 1 {
			t.Errorf("the event of %s was exported %d times", actor, n)
		}
	}

	w.keep(Retention{Events: 30 * day})
	repotest.Exec(t, w.url, `do $$ begin
		alter table halosync.security_events disable trigger security_events_append_only;
		update halosync.security_events set at = now() - interval '91 days' where actor < '3';
		update halosync.security_events set at = now() - interval '89 days' where actor >= '3';
		alter table halosync.security_events enable trigger security_events_append_only;
	end $$`)
	removed := 0
	w.first.cfg.Removed = func(r Removed) { removed += r.SecurityEvents }
	if err := w.first.retainIfDue(t.Context()); err != nil { // plans the first pass
		t.Fatal(err)
	}
	w.due(repo.JobRetention)
	if err := w.first.retainIfDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	left := repotest.Value[[]string](t, w.url, `select array_agg(distinct substring(actor from 1 for 1) order by substring(actor from 1 for 1)) from halosync.security_events`)
	if removed != 222 || len(left) != 8 { // 1, 2, 10 to 29 and 100 to 299; left are those that begin with 3 to 9 and with p
		t.Errorf("%d events removed, left: %q", removed, left)
	}
}
