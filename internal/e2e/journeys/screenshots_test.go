package journeys

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/browsertest"
	"github.com/halosync/halosync/repo/repotest"
)

// everyPage audits every page of a tenant with a month of history. If
// HALOSYNC_SCREENSHOTS names a folder, everyPage saves screenshots there ("make
// screenshots").
func (tech *technician) everyPage() {
	tech.liveForAMonth()
	tech.signIn()
	tech.signInElsewhere()
	tech.picture("connections", browsertest.Light, browsertest.Wide, 300)
	tech.Follow("Acme Halo")
	tech.Heading("Acme Halo")
	tech.audit()
	tech.picture("connection", browsertest.Light, browsertest.Wide, 760)

	tech.Follow("Mappings")
	tech.Heading("Mappings")
	tech.audit()
	tech.picture("mappings", browsertest.Light, browsertest.Wide, 760)
	tech.picture("mappings-dark", browsertest.Dark, browsertest.Wide, 760)
	tech.picture("mappings-narrow", browsertest.Light, browsertest.Narrow, 760)
	for _, page := range []struct{ name, heading string }{
		{"Companies", "Companies"}, {"Runs", "Runs"}, {"Events", "Events"}, {"Security", "Security events"}, {"Sessions", "Your sessions"},
	} {
		tech.Follow(page.name)
		tech.Heading(page.heading)
		tech.audit()
		tech.picture(strings.ToLower(page.name), browsertest.Light, browsertest.Wide, 620)
	}
	tech.visit("/companies?unmapped=1")
	tech.See("link", "Unmapped")
	tech.inspect()
	tech.visit("/mappings?deleted=1")
	tech.See("link", "Former")
	tech.audit()
	tech.visit("/runs")
	tech.Follow(tech.Rows()[0][0]) // the start time of the newest run, a resync
	tech.runEnded("succeeded")
	tech.audit()
	tech.picture("run", browsertest.Light, browsertest.Wide, 760)
	tech.everyWizard()
}

// everyWizard audits the wizards. The wizards request only one run, and this run is a
// preview.
func (tech *technician) everyWizard() {
	tech.Follow("Import companies")
	tech.Heading("Import companies")
	tech.Fill("Search", "bakery")
	tech.Choose("Page size", "10")
	tech.Press("Get companies")
	tech.Read("that match “bakery”")
	tech.Fill("Search", "pharmacy")
	tech.Press("Get companies")
	tech.Read("that match “pharmacy”")
	tech.Press("Select all on this page")
	tech.Read("Remove")
	tech.audit()
	tech.picture("import", browsertest.Light, browsertest.Wide, 760)
	tech.picture("import-narrow", browsertest.Light, browsertest.Narrow, 760)
	tech.Press("Next")
	tech.previewed()
	tech.audit()
	tech.picture("import-preview", browsertest.Light, browsertest.Wide, 760)

	tech.Follow("Map existing company")
	tech.Heading("Map existing company")
	tech.pair("Brown's Bread", "kestrel br", "Kestrel Brewing")
	tech.Read("1 pair to map")
	tech.Press("Find suggestions")
	tech.See("button", "Refresh suggestions")
	tech.audit()
	tech.picture("map", browsertest.Light, browsertest.Wide, 1240)
}

// liveForAMonth imports from a changing Halo PSA and adds a resync for each
// night of a month.
func (tech *technician) liveForAMonth() {
	tech.T.Helper()
	names := clientNames()
	for _, name := range names[:70] {
		tech.Tenant.Add(halotest.Client{Name: name})
	}
	tech.Must("companies", "add", "Somebody Else", names[7], names[9], strings.ToUpper(names[9]))
	tech.Must(tech.AddCommand("Acme Halo")...)
	tech.Enqueue("import", "--connection", "Acme Halo", "--all", "--wait") // one client needs a person's decision
	clients := tech.Tenant.Clients()
	tech.Tenant.Rename(clients[20].ID, clients[20].Name+" Group")
	tech.Tenant.Deactivate(clients[30].ID)
	tech.Tenant.Delete(clients[40].ID)
	for _, name := range names[70:] {
		tech.Tenant.Add(halotest.Client{Name: name})
	}
	tech.Must("companies", "add", "Brown's Bread", names[80]+" Limited", strings.ReplaceAll(names[90], " ", "-"))
	tech.Enqueue("resync", "--connection", "Acme Halo", "--wait")
	tech.Must("unmap", repotest.Value[string](tech.T, tech.DB, `select id::text from halosync.mappings where tenant = $1 order by id limit 1`, tech.msp))
	// Earlier nights are copies of the same run, with different times and
	// outcomes.
	repotest.Exec(tech.T, tech.DB, `update halosync.mappings set mapped_at = mapped_at - (75 - client_id) * interval '9 hours' where tenant = $1`, tech.msp)
	repotest.Exec(tech.T, tech.DB, `
		insert into halosync.runs
		select (jsonb_populate_record(r, jsonb_build_object(
			'id', gen_random_uuid(), 'requested_by', 'schedule', 'queued_at', r.queued_at - n * interval '1 day',
			'started_at', r.started_at - n * interval '1 day',
			'finished_at', r.started_at - n * interval '1 day' + (20 + (n * 7919) % 23) * interval '1 second',
			'state', case n when 9 then 'failed' when 17 then 'held' else 'succeeded' end,
			'error', case n when 9 then 'Halo PSA is down' when 17 then 'too many are missing' else '' end))).*
		from halosync.runs r, generate_series(1, 29) n
		where r.tenant = $1 and r.kind = 'resync' and n <> 12`, tech.msp)
}

// signInElsewhere gives the technician sessions in two more browsers, and the tenant
// security events of the last days.
func (tech *technician) signInElsewhere() {
	tech.T.Helper()
	const firefox, safari, edge = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0"
	repotest.Exec(tech.T, tech.DB, `update halosync.sessions set address = '203.0.113.24', user_agent = $2 where tenant = $1`, tech.msp, firefox)
	repotest.Exec(tech.T, tech.DB, `
		insert into halosync.sessions (tenant, hash, actor, scope, api_key_id, signin_secret, address, user_agent, created_at, last_seen_at, expires_at)
		select s.tenant, sha256(s.hash || n::text::bytea), s.actor, s.scope, s.api_key_id, s.signin_secret, a, b, now() - n * interval '3 hours',
			now() - n * interval '19 minutes', now() + (12 - 3 * n) * interval '1 hour'
		from halosync.sessions s, (values (1, '198.51.100.61', $2), (2, '2001:db8:52:9::/64', $3)) v (n, a, b) where s.tenant = $1`, tech.msp, safari, edge)
	// Triggers would refuse the change, and times in the past.
	withoutTriggers := tech.DB + "&session_replication_role=replica"
	repotest.Exec(tech.T, withoutTriggers, `update halosync.security_events set address = '203.0.113.24', user_agent = $2 where tenant = $1 and address <> ''`, tech.msp, firefox)
	repotest.Exec(tech.T, withoutTriggers, `
		insert into halosync.security_events
		select -n, now() - n * interval '47 minutes', $1, kind, 'succeeded', actor, address, browser, detail, count, 'halosync_worker' from (values
			(2, 'connection.secret', 'user:anna', '203.0.113.24', $2, '"Acme Halo": secret replaced', 1),
			(5, 'session.ended', 'user:anna', '203.0.113.24', $2, 'of user:anna', 2),
			(31, 'signin', 'user:bob', '2001:db8:52:9::/64', $3, 'scope write', 1),
			(50, 'apikey.revoked', 'cli:anna', '', '', 'key "old-sync", scope write, sessions ended: 1', 1)) v (n, kind, actor, address, browser, detail, count)`,
		tech.msp, firefox, edge)
}

// clientNames returns 120 realistic names.
func clientNames() (all []string) {
	for _, trade := range strings.Fields("Dental Logistics Bakery Architects Solicitors Motors Brewing Textiles Pharmacy Joinery") {
		for i, place := range strings.Fields("Northgate Harbour Willow Kestrel Ashford Meridian Beacon Larkfield Sterling Oakridge Bäumler Riverside") {
			all = append(all, place+" "+trade+[]string{" Ltd", "", " & Sons"}[i%3])
		}
	}
	return all
}

// picture saves a screenshot for the documentation, if a folder is set.
// Afterwards, picture restores the light scheme and the wide window.
func (tech *technician) picture(name string, scheme browsertest.Scheme, width, height int64) {
	tech.T.Helper()
	dir := os.Getenv("HALOSYNC_SCREENSHOTS")
	if dir == "" {
		return
	}
	tech.Look(scheme, width)
	if err := tech.Save(filepath.Join(dir, name+".png"), width, height); err != nil {
		tech.T.Error(err)
	}
	tech.Look(browsertest.Light, browsertest.Wide)
}
