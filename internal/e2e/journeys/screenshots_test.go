package halosync_test

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/browsertest"
	"github.com/halosync/halosync/repo/repotest"
)

// everyPage looks at every page of a tenant that has lived for a month, and
// takes pictures of them: into HALOSYNC_SCREENSHOTS, if that is a folder
// ("make screenshots").
func (d *desk) everyPage() {
	d.liveForAMonth()
	d.signIn()
	d.picture("connections", browsertest.Light, browsertest.Wide, 300)
	d.Follow("Acme Halo")
	d.Heading("Acme Halo")
	d.looked()
	d.picture("connection", browsertest.Light, browsertest.Wide, 760)

	d.Follow("Mappings")
	d.Heading("Mappings")
	d.looked()
	d.picture("mappings", browsertest.Light, browsertest.Wide, 760)
	d.picture("mappings-dark", browsertest.Dark, browsertest.Wide, 760)
	d.picture("mappings-narrow", browsertest.Light, browsertest.Narrow, 760)
	for _, page := range []string{"Companies", "Runs", "Events"} {
		d.Follow(page)
		d.Heading(page)
		d.looked()
		d.picture(strings.ToLower(page), browsertest.Light, browsertest.Wide, 620)
	}
	d.visit("/companies?unmapped=1")
	d.See("link", "Unmapped")
	d.looked()
	d.visit("/mappings?deleted=1")
	d.See("link", "Deleted")
	d.looked()
	d.visit("/runs")
	d.Follow(d.Rows()[0][0]) // the time of the newest, a resync
	d.runEnded("succeeded")
	d.looked()
	d.picture("run", browsertest.Light, browsertest.Wide, 760)
	d.everyWizard()
}

// everyWizard leaves nothing behind but a preview.
func (d *desk) everyWizard() {
	d.Follow("Import companies")
	d.Heading("Import companies")
	d.Fill("Search", "bakery")
	d.Choose("Page size", "10")
	d.Press("Get companies")
	d.Read("that match “bakery”")
	d.Fill("Search", "pharmacy")
	d.Press("Get companies")
	d.Read("that match “pharmacy”")
	d.Press("Select all on this page")
	d.Read("Remove")
	d.looked()
	d.picture("import", browsertest.Light, browsertest.Wide, 760)
	d.picture("import-narrow", browsertest.Light, browsertest.Narrow, 760)
	d.Press("Next")
	d.previewed()
	d.looked()
	d.picture("import-preview", browsertest.Light, browsertest.Wide, 760)

	d.Follow("Map existing company")
	d.Heading("Map existing company")
	d.pair("Brown's Bread", "kestrel br", "Kestrel Brewing")
	d.Read("1 pair to map")
	d.Press("Show suggestions")
	d.See("button", "Suggest anew")
	d.looked()
	d.picture("map", browsertest.Light, browsertest.Wide, 1000)
}

// liveForAMonth imports a Halo in which things happen, with a resync a night.
func (d *desk) liveForAMonth() {
	d.t.Helper()
	names := clientNames()
	for _, name := range names[:70] {
		d.tenant.Add(halotest.Client{Name: name})
	}
	d.must("companies", "add", "Somebody Else", names[7], names[9], strings.ToUpper(names[9]))
	d.must(d.adding("Acme Halo")...)
	d.enqueue("import", "--connection", "Acme Halo", "--all", "--wait") // one client needs a person
	clients := d.tenant.Clients()
	d.tenant.Rename(clients[20].ID, clients[20].Name+" Group")
	d.tenant.Deactivate(clients[30].ID)
	d.tenant.Delete(clients[40].ID)
	for _, name := range names[70:] {
		d.tenant.Add(halotest.Client{Name: name})
	}
	d.must("companies", "add", "Brown's Bread", names[80]+" Limited", strings.ReplaceAll(names[90], " ", "-"))
	d.enqueue("resync", "--connection", "Acme Halo", "--wait")
	d.must("unmap", repotest.Value[string](d.t, d.db, `select id::text from halosync.mappings where tenant = $1 order by id limit 1`, d.msp))
	// What the days before have left: the same run, with other times and ends.
	repotest.Exec(d.t, d.db, `update halosync.mappings set mapped_at = mapped_at - (75 - client_id) * interval '9 hours' where tenant = $1`, d.msp)
	repotest.Exec(d.t, d.db, `
		insert into halosync.runs
		select (jsonb_populate_record(r, jsonb_build_object(
			'id', gen_random_uuid(), 'requested_by', 'schedule', 'queued_at', r.queued_at - n * interval '1 day',
			'started_at', r.started_at - n * interval '1 day',
			'finished_at', r.started_at - n * interval '1 day' + (20 + (n * 7919) % 23) * interval '1 second',
			'state', case n when 9 then 'failed' when 17 then 'held' else 'succeeded' end,
			'error', case n when 9 then 'Halo PSA is down' when 17 then 'too many are missing' else '' end))).*
		from halosync.runs r, generate_series(1, 29) n
		where r.tenant = $1 and r.kind = 'resync' and n <> 12`, d.msp)
}

// clientNames are 120 names as in the field.
func clientNames() (all []string) {
	for _, trade := range strings.Fields("Dental Logistics Bakery Architects Solicitors Motors Brewing Textiles Pharmacy Joinery") {
		for i, place := range strings.Fields("Northgate Harbour Willow Kestrel Ashford Meridian Beacon Larkfield Sterling Oakridge Bäumler Riverside") {
			all = append(all, place+" "+trade+[]string{" Ltd", "", " & Sons"}[i%3])
		}
	}
	return all
}

// picture takes one of the page, which is light and wide again afterwards.
func (d *desk) picture(name string, scheme browsertest.Scheme, width, height int64) {
	d.t.Helper()
	dir := os.Getenv("HALOSYNC_SCREENSHOTS")
	if dir == "" {
		dir = d.t.TempDir()
	}
	d.Look(scheme, width)
	if err := d.Save(filepath.Join(dir, name+".png"), width, height); err != nil {
		d.t.Error(err)
	}
	d.Look(browsertest.Light, browsertest.Wide)
}
