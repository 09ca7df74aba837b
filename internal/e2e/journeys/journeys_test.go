package journeys

import (
	"net/http"
	"strings"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// Technicians use the console in a browser, with the real programs and their
// own simulated Halo PSA. No page causes a browser error, and axe-core finds no serious
// problem on any kind of page.
func TestJourneys(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	in.Env = []string{"HALOSYNC_SIGNIN_SECRET=" + signinSecret}
	w := in.StartWorker()
	defer w.Stop(t)
	t.Run("technicians", func(t *testing.T) {
		for name, journey := range map[string]func(*technician){
			"connect":           (*technician).connectInBrowser,
			"import":            (*technician).importInBrowser,
			"import-no-scripts": (*technician).importWithoutScripts,
			"import-with-keys":  (*technician).importWithKeys,
			"map":               (*technician).mapInBrowser,
			"delete-and-undo":   (*technician).deleteInBrowser,
			"watch-and-cancel":  (*technician).watchInBrowser,
			"halo-down":         (*technician).haloDown,
			"northwind":         (*technician).everyPage,
			"queues":            (*technician).queuesInBrowser,
			"sessions":          (*technician).signOutEverywhere,
			"link":              (*technician).linkInBrowser,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				journey(newTechnician(t, in, w, name+"-msp"))
			})
		}
	})
}

// Credentials are tested before anything is stored.
func (tech *technician) connectInBrowser() {
	tech.Tenant.Seed(20, 7)
	tech.visit("/connections")
	tech.Heading("Sign in")
	tech.audit()
	tech.signIn()
	tech.audit()
	tech.Follow("Connect Halo PSA")
	tech.Heading("Connect Halo PSA")
	tech.audit()
	tech.Fill("Name", "Acme Halo")
	tech.Fill("Resource server", tech.Halo.ResourceServer())
	tech.Fill("Authorisation server", tech.Halo.AuthServer())
	tech.Fill("Client ID", installation.ClientID)
	tech.Fill("Client secret", "not-"+tech.Secrets.Client)
	tech.Press("Test and save")
	tech.Expect(http.StatusUnprocessableEntity)
	tech.Alert("Halo PSA does not accept the credentials. Check client ID")
	tech.audit()
	if n := tech.connections(); n != 0 {
		tech.T.Errorf("%d connections after a wrong secret", n)
	}

	tech.Fill("Client secret", tech.Secrets.Client) // all other fields are still filled in
	tech.Press("Test and save")
	tech.Heading("Acme Halo")
	tech.audit()
	if n := tech.connections(); n != 1 {
		tech.T.Errorf("%d connections, want the one that was added", n)
	}
	tech.Follow("Connections")
	tech.Heading("Connections")
	if rows := tech.Rows(); len(rows) != 1 || rows[0][0] != "Acme Halo" || rows[0][1] != "active" {
		tech.T.Errorf("connections: %q", rows)
	}
	tech.inspect()
}

func (tech *technician) connections() int {
	tech.T.Helper()
	return repotest.Value[int](tech.T, tech.DB, `select count(*)::int from halosync.connections where tenant = $1`, tech.msp)
}

// One button restores a deleted mapping.
func (tech *technician) deleteInBrowser() {
	tech.Tenant.Add(halotest.Client{ID: 11, Name: "Bakery"})
	tech.Tenant.Add(halotest.Client{ID: 12, Name: "Forge"})
	tech.Connect()
	tech.Must("import", "--connection", "halo", "--all", "--wait")
	tech.signIn()
	tech.Follow("Mappings")
	tech.Heading("Mappings")
	tech.inspect()
	tech.Press("Unmap Forge")
	tech.Status("unmapped")
	tech.audit()
	tech.wantMapped("Bakery=Bakery")
	tech.Press("Undo")
	tech.Status("restored")
	tech.inspect()
	tech.wantMapped("Bakery=Bakery", "Forge=Forge")

	tech.Fill("Search", "bak")
	tech.Gone("button", "Unmap Forge")
	tech.See("button", "Unmap Bakery")
	tech.inspect()
}

// The console shows a failing Halo PSA as a failure, never as an empty list.
func (tech *technician) haloDown() {
	tech.bakeries()
	tech.Connect()
	tech.signIn()
	tech.Halo.Fault(halotest.Rule{Route: halotest.RouteList, Times: halotest.Forever}, halotest.Status(http.StatusBadGateway, "<html>bad gateway"))
	tech.Follow("Import companies")
	tech.Heading("Import companies")
	tech.Press("Get companies")
	tech.Expect(http.StatusBadGateway)
	tech.Alert("Halo PSA")
	if text := tech.Text(); strings.Contains(text, "No company in Halo PSA matches") || strings.Contains(text, "Page 1") {
		tech.T.Errorf("a failure looks like a list:\n%s", text)
	}
	tech.audit()
	tech.Halo.ClearFaults()
	tech.Press("Get companies")
	tech.Read("Bakery 01")
	tech.inspect()
}
