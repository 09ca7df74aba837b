package halosync_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/repo/repotest"
)

// The technician's ways through the console: in a browser, with the programs as
// they are installed, and with a Halo of each technician's own. On each page
// nothing goes wrong in the browser, and axe-core finds nothing serious.
func TestJourneys(t *testing.T) {
	t.Parallel()
	s := newSite(t, fast)
	w := s.startWorker(s.keyset)
	defer w.stop(t)
	t.Run("technicians", func(t *testing.T) {
		for name, journey := range map[string]func(*desk){
			"connect":           (*desk).connectInBrowser,
			"import":            (*desk).importInBrowser,
			"import-no-scripts": (*desk).importWithoutScripts,
			"import-with-keys":  (*desk).importWithKeys,
			"map":               (*desk).mapInBrowser,
			"delete-and-undo":   (*desk).deleteInBrowser,
			"watch-and-cancel":  (*desk).watchInBrowser,
			"halo-down":         (*desk).haloDown,
			"northwind":         (*desk).everyPage,
			"queues":            (*desk).queuesInBrowser,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				journey(s.newDesk(t, w, name+"-msp"))
			})
		}
	})
}

// Credentials are tried before anything is stored.
func (d *desk) connectInBrowser() {
	d.tenant.Seed(20, 7)
	d.signIn()
	d.looked()
	d.Follow("Connect Halo PSA")
	d.Heading("Connect Halo PSA")
	d.looked()
	d.Fill("Name", "Acme Halo")
	d.Fill("Resource server", d.halo.ResourceServer())
	d.Fill("Authorisation server", d.halo.AuthServer())
	d.Fill("Client ID", canaryID)
	d.Fill("Client secret", "not-"+canarySecret)
	d.Press("Test and save")
	d.Expect(http.StatusBadGateway)
	d.Alert("Halo PSA does not accept the credentials. Check the client ID")
	d.looked()
	if n := d.connections(); n != 0 {
		d.t.Errorf("%d connections after a wrong secret", n)
	}

	d.Fill("Client secret", canarySecret) // the rest is there still
	d.Press("Test and save")
	d.Heading("Acme Halo")
	d.looked()
	if n := d.connections(); n != 1 {
		d.t.Errorf("%d connections, want the one that was added", n)
	}
	d.Follow("Connections")
	d.Heading("Connections")
	if rows := d.Rows(); len(rows) != 1 || rows[0][0] != "Acme Halo" || rows[0][1] != "active" {
		d.t.Errorf("connections: %q", rows)
	}
	d.looked()
}

func (d *desk) connections() int {
	d.t.Helper()
	return repotest.Value[int](d.t, d.db, `select count(*)::int from halosync.connections where tenant = $1`, d.msp)
}

// A mapping that was deleted is back with one press.
func (d *desk) deleteInBrowser() {
	d.tenant.Add(halotest.Client{ID: 11, Name: "Bakery"})
	d.tenant.Add(halotest.Client{ID: 12, Name: "Forge"})
	d.connect()
	d.must("import", "--connection", "halo", "--all", "--wait")
	d.signIn()
	d.Follow("Mappings")
	d.Heading("Mappings")
	d.looked()
	d.Press("Delete Forge")
	d.Status("deleted")
	d.looked()
	d.wantMapped("Bakery=Bakery")
	d.Press("Undo")
	d.Status("back in force")
	d.looked()
	d.wantMapped("Bakery=Bakery", "Forge=Forge")

	d.Fill("Search", "bak")
	d.Gone("button", "Delete Forge")
	d.See("button", "Delete Bakery")
	d.looked()
}

// A Halo that fails looks like one, never like one without companies.
func (d *desk) haloDown() {
	d.bakeries()
	d.connect()
	d.signIn()
	d.halo.Fault(halotest.Rule{Route: halotest.RouteList, Times: halotest.Forever}, halotest.Status(http.StatusBadGateway, "<html>bad gateway"))
	d.Follow("Import companies")
	d.Heading("Import companies")
	d.Press("Get companies")
	d.Expect(http.StatusBadGateway)
	d.Alert("Halo PSA")
	if text := d.Text(); strings.Contains(text, "no such company") || strings.Contains(text, "Page 1") {
		d.t.Errorf("a failure looks like a list:\n%s", text)
	}
	d.looked()
	d.halo.ClearFaults()
	d.Press("Get companies")
	d.Read("Bakery 01")
	d.looked()
}
