package halosync_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/browsertest"
	"github.com/halosync/halosync/repo/repotest"
)

// browser is shared by all tests that need one; TestMain ends it.
var browser browsertest.Shared

// desk is where a technician of one tenant sits: a browser in front of a
// worker's console, with a Halo PSA of the tenant's own behind it.
type desk struct {
	*site // whose CLI is the tenant's
	*browsertest.Page
	t       *testing.T
	msp     string // the tenant
	worker  *workerProcess
	key     string
	scripts bool
}

// newDesk seats the technician of a tenant, with a key that may do everything
// and a Halo without clients. The connection is still to be made.
func (s *site) newDesk(t *testing.T, w *workerProcess, msp string) *desk {
	t.Helper()
	b, err := browser.Browser()
	if err != nil {
		t.Fatal(err)
	}
	own := *s
	own.t = t
	own.halo = halotest.Start(t, fast)
	own.left.addHalo(own.halo)
	own.tenant = own.halo.Tenant("")
	own.app = own.tenant.App(canaryID, canarySecret)
	own.extraEnv = append(slices.Clone(s.extraEnv), "HALOSYNC_TENANT="+msp)
	d := &desk{site: &own, Page: b.Open(t), t: t, msp: msp, worker: w, scripts: true}
	d.key = strings.TrimSpace(d.must("apikey", "new", "browser", "--scope", "admin"))
	d.left.addAccess(d.key)
	return d
}

// visit opens a page of the console.
func (d *desk) visit(path string) {
	d.t.Helper()
	d.Go("http://" + d.worker.http + path)
}

// signIn shows the key, on the page that a stranger is sent to.
func (d *desk) signIn() {
	d.t.Helper()
	d.visit("/connections")
	d.Heading("Sign in")
	d.looked()
	d.Fill("API key", d.key)
	d.Press("Sign in")
	d.Heading("Connections")
	d.keepCookie()
}

// keepCookie makes a secret of the cookie that the browser was given.
func (d *desk) keepCookie() {
	d.t.Helper()
	cookies := d.Cookies()
	if len(cookies["halosync"]) < 20 {
		d.t.Fatalf("the session's cookie is %q", cookies["halosync"])
	}
	d.left.addAccess(cookies["halosync"])
}

// looked is done with each page: nothing went wrong in the browser, anybody can
// use it, and what it holds is searched for secrets at the end.
func (d *desk) looked() {
	d.t.Helper()
	if d.scripts { // axe-core is one
		d.Checked()
	}
	d.Clean()
	d.left.add("pages in a browser", d.HTML())
}

// runEnded waits for the end of the run whose page is shown.
func (d *desk) runEnded(state string) {
	d.t.Helper()
	d.Eventually("the run's end", func() error {
		if !strings.Contains(d.Address(), "/runs/") {
			return errors.New("this is not the page of a run")
		}
		ended := browsertest.Evaluate[string](d.Page, `(document.querySelector('#outcome .state') || {innerText: ''}).innerText`)
		if ended == "" {
			return errors.New("it goes on")
		}
		if ended != state {
			d.t.Fatalf("the run is %s, want %s:\n%s", ended, state, d.Text())
		}
		return nil
	})
}

// bakeries are 25 clients, three pages of ten, and one that no search for them
// finds.
func (d *desk) bakeries() {
	for i := range 25 {
		d.tenant.Add(halotest.Client{ID: int64(100 + i), Name: fmt.Sprintf("Bakery %02d", i+1)})
	}
	d.tenant.Add(halotest.Client{ID: 200, Name: "Forge"})
}

// wantMapped compares what is mapped, company and client, with what should be.
func (d *desk) wantMapped(pairs ...string) {
	d.t.Helper()
	got := repotest.Value[[]string](d.t, d.db, `
		select coalesce(array_agg(c.name||'='||cl.name order by c.name), '{}') from halosync.mappings m
		join halosync.companies c on c.tenant = m.tenant and c.id = m.company_id
		join halosync.clients cl on cl.tenant = m.tenant and cl.connection_id = m.connection_id and cl.client_id = m.client_id
		where m.tenant = $1 and m.deleted_at is null`, d.msp)
	if !slices.Equal(got, pairs) {
		d.t.Errorf("mapped are %q, want %q", got, pairs)
	}
}
