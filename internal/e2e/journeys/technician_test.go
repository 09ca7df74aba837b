package journeys

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/browsertest"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// technician is a user of one tenant, with a browser that shows a worker's
// console. The tenant has its own simulated Halo PSA.
type technician struct {
	*installation.Installation // with the tenant's commands and Halo
	*browsertest.Page
	msp     string // the tenant
	worker  *installation.Worker
	key     string // API key for signing in
	scripts bool   // whether JavaScript is enabled
}

// newTechnician returns a technician of a tenant. The technician's key has all
// of the tenant's rights. The Halo has no clients, and the tenant has no
// connection.
func newTechnician(t *testing.T, in *installation.Installation, w *installation.Worker, msp string) *technician {
	t.Helper()
	b, err := browser.Browser()
	if err != nil {
		t.Fatal(err)
	}
	own := *in
	own.T = t
	own.Halo = halotest.Start(t, installation.Unlimited)
	own.KeepHalo(own.Halo)
	own.Tenant = own.Halo.Tenant("")
	own.App = own.Tenant.App(installation.ClientID, own.Secrets.Client)
	own.Env = append(slices.Clone(in.Env), "HALOSYNC_TENANT="+msp)
	tech := &technician{Installation: &own, Page: b.Open(t), msp: msp, worker: w, scripts: true}
	tech.key = strings.TrimSpace(tech.Must("apikey", "new", "browser", "--scope", "admin"))
	tech.KeepAccess(tech.key)
	return tech
}

// visit opens a page of the console.
func (tech *technician) visit(path string) {
	tech.T.Helper()
	tech.Go("http://" + tech.worker.HTTP + path)
}

// signIn opens the console, which redirects to the sign-in page, and signs in
// with the key.
func (tech *technician) signIn() {
	tech.T.Helper()
	tech.visit("/connections")
	tech.Heading("Sign in")
	tech.inspect()
	tech.Fill("API key", tech.key)
	tech.Press("Sign in")
	tech.Heading("Connections")
	tech.keepCookie()
}

// keepCookie adds the session's cookie to the secrets that are searched for.
func (tech *technician) keepCookie() {
	tech.T.Helper()
	cookies := tech.Cookies()
	if len(cookies["halosync"]) < 20 {
		tech.T.Fatalf("the session's cookie is %q", cookies["halosync"])
	}
	tech.KeepAccess(cookies["halosync"])
}

// inspect fails the test if the browser reported an error. It keeps the page for the search
// for secrets. Tests inspect every page.
func (tech *technician) inspect() {
	tech.T.Helper()
	tech.Clean()
	tech.Keep("pages in a browser", tech.HTML())
}

// audit does the same as inspect and also runs axe-core, which takes a second.
// Tests audit each kind of page once, in the state with the most content.
func (tech *technician) audit() {
	tech.T.Helper()
	if tech.scripts { // axe-core is itself a script
		tech.Checked()
	}
	tech.inspect()
}

// runEnded waits until the run on the current page has ended.
func (tech *technician) runEnded(state string) {
	tech.T.Helper()
	tech.Page.Eventually("the run's end", func() error {
		if !strings.Contains(tech.Address(), "/runs/") {
			return errors.New("this is not the page of a run")
		}
		ended := browsertest.Evaluate[string](tech.Page, `(document.querySelector('#outcome .state') || {innerText: ''}).innerText`)
		if ended == "" {
			return errors.New("the run has not ended")
		}
		if ended != state {
			tech.T.Fatalf("the run is %s, want %s:\n%s", ended, state, tech.Text())
		}
		return nil
	})
}

// bakeries adds 25 bakeries, which fill three pages of ten, and one client that
// a search for bakeries does not find.
func (tech *technician) bakeries() {
	for i := range 25 {
		tech.Tenant.Add(halotest.Client{ID: int64(100 + i), Name: fmt.Sprintf("Bakery %02d", i+1)})
	}
	tech.Tenant.Add(halotest.Client{ID: 200, Name: "Forge"})
}

// wantMapped compares the mappings with the expected ones, each written as
// "company=client".
func (tech *technician) wantMapped(pairs ...string) {
	tech.T.Helper()
	got := repotest.Value[[]string](tech.T, tech.DB, `
		select coalesce(array_agg(c.name||'='||cl.name order by c.name), '{}') from halosync.mappings m
		join halosync.companies c on c.tenant = m.tenant and c.id = m.company_id
		join halosync.clients cl on cl.tenant = m.tenant and cl.connection_id = m.connection_id and cl.client_id = m.client_id
		where m.tenant = $1 and m.deleted_at is null`, tech.msp)
	if !slices.Equal(got, pairs) {
		tech.T.Errorf("mapped are %q, want %q", got, pairs)
	}
}
