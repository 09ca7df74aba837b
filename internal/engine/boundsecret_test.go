package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// storedRow is the part of a connection's row that determines where the secret is sent.
type storedRow struct {
	domain, auth, client, haloTenant, header string
	secret, value                            []byte
}

func (w *fixture) storedRow(conn repo.Connection) (r storedRow) {
	w.t.Helper()
	one := func(column string) string {
		return repotest.Value[string](w.t, w.url, `select `+column+` from halosync.connections where id = $1`, conn.ID)
	}
	r.domain, r.auth, r.client, r.haloTenant, r.header = one("domain"), one("auth_server"), one("client_id"), one("halo_tenant"), one("header_name")
	r.secret = repotest.Value[[]byte](w.t, w.url, `select secret_sealed from halosync.connections where id = $1`, conn.ID)
	r.value = repotest.Value[[]byte](w.t, w.url, `select header_sealed from halosync.connections where id = $1`, conn.ID)
	return r
}

// overwrite changes a connection's row in the way in which an attacker with the password
// of the worker's role can.
func (w *fixture) overwrite(conn repo.Connection, r storedRow) {
	w.t.Helper()
	url := repotest.Worker(w.t, w.url)
	repotest.Exec(w.t, url, `select set_config('halosync.tenant', $1, false)`, conn.Tenant)
	repotest.Exec(w.t, url, `update halosync.connections set domain = $2, auth_server = $3, client_id = $4, halo_tenant = $5,
		header_name = $6, secret_sealed = $7, header_sealed = $8 where id = $1`,
		conn.ID, r.domain, r.auth, r.client, r.haloTenant, r.header, r.secret, r.value)
}

// sealedFormerly returns a value in the form before schema 15, such as an old backup
// contains.
func (w *fixture) sealedFormerly(conn repo.Connection, plain, column string) []byte {
	w.t.Helper()
	sealed, err := repotest.Keys(w.t).Seal(secret.NewString(plain), conn.Tenant, conn.ID.String(), "connections."+column)
	if err != nil {
		w.t.Fatal(err)
	}
	return sealed
}

// checkClosed checks that no use of a connection sends a request anywhere, and that a run
// fails at once with a reason and a remedy.
func (w *fixture) checkClosed(what string, conn repo.Connection) {
	w.t.Helper()
	closed := func(call string, err error) {
		if !errors.Is(err, secret.ErrOpen) || strings.Contains(err.Error(), testSecret) {
			w.t.Errorf("%s: %s: %v", what, call, err)
		}
	}
	run := w.importAll(conn)
	if run.State != repo.StateFailed || run.Attempt != 1 || !strings.Contains(run.Error, `credentials of connection "`+conn.Name+`"`) ||
		!strings.Contains(run.Error, `connection update "`+conn.Name+`" --domain`) || strings.Contains(run.Error, testSecret) {
		w.t.Errorf("%s: run %s after %d attempts: %s", what, run.State, run.Attempt, run.Error)
	}
	_, err := w.engine.TestConnection(w.t.Context(), conn.Tenant, conn.Name)
	closed("test", err)
	limit := "100/1m"
	_, _, err = w.engine.UpdateConnection(w.t.Context(), conn.Tenant, "eve", conn.Name, engine.ConnectionChange{RateLimit: &limit})
	closed("update", err)
}

// A secret opens only for the addresses, the client id and the Halo tenant for which it
// was entered. If someone changes these in Postgres, runs fail, and no request reaches any
// server.
func TestSecretOpensOnlyForItsAddresses(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 5)
	conn := w.connect("acme", "main")
	server := func() *halotest.Halo {
		h := halotest.Start(t)
		h.Tenant("").App(testApp, testSecret)
		h.Tenant("").Seed(5, 7)
		return h
	}
	thief, second := server(), server()
	in := w.input("second")
	in.Domain, in.AuthServer = second.ResourceServer(), second.AuthServer()
	other, err := w.engine.AddConnection(t.Context(), "acme", "test", in)
	if err != nil {
		t.Fatal(err)
	}
	mine, others := w.storedRow(conn), w.storedRow(other)
	requests := func() [3]int {
		return [3]int{w.halo.Log().Requests, second.Log().Requests, thief.Log().Requests}
	}
	before := requests()
	clientSecret := secret.NewString(testSecret)
	former := w.sealedFormerly(conn, testSecret, "secret_sealed")
	for what, change := range map[string]func(*storedRow){
		"both addresses":                  func(r *storedRow) { r.domain, r.auth = thief.ResourceServer(), thief.AuthServer() },
		"authorisation server":            func(r *storedRow) { r.auth = thief.AuthServer() },
		"domain":                          func(r *storedRow) { r.domain = thief.ResourceServer() },
		"path of the authorisation":       func(r *storedRow) { r.auth = strings.TrimSuffix(r.auth, "/auth") + "/other" },
		"another spelling":                func(r *storedRow) { r.domain += "/" },
		"client ID":                       func(r *storedRow) { r.client = "app-2" },
		"Halo tenant":                     func(r *storedRow) { r.haloTenant = "other" },
		"another connection's addresses":  func(r *storedRow) { r.domain, r.auth = others.domain, others.auth },
		"another connection's secret":     func(r *storedRow) { r.secret = others.secret },
		"another connection's whole row":  func(r *storedRow) { *r = others },
		"a value of the former form":      func(r *storedRow) { r.secret = former },
		"the former form, for a stranger": func(r *storedRow) { r.secret, r.domain, r.auth = former, thief.ResourceServer(), thief.AuthServer() },
		"addresses and an unknown key": func(r *storedRow) {
			r.domain, r.auth = thief.ResourceServer(), thief.AuthServer()
			r.secret = append([]byte{}, r.secret...)
			r.secret[2] ^= 0xff
		},
	} {
		row := mine
		change(&row)
		w.overwrite(conn, row)
		if what != "addresses and an unknown key" { // because such a run waits for a worker with the key
			w.checkClosed(what, conn)
		}
		// Entering only the secret would send it to the changed addresses.
		_, _, err := w.engine.UpdateConnection(t.Context(), "acme", "ann", "main", engine.ConnectionChange{Secret: &clientSecret})
		if !errors.As(err, new(*engine.UsageError)) || !strings.Contains(err.Error(), row.auth) {
			t.Errorf("%s: secret without addresses: %v", what, err)
		}
		w.overwrite(conn, mine)
	}
	if after := requests(); after != before {
		t.Errorf("requests to the Halo, the second one and the thief's: %v, want %v", after, before)
	}
	if got, err := w.store.Connection(t.Context(), "acme", conn.ID); err != nil || got.State != repo.Active {
		t.Errorf("connection %s: %s, %v", got.State, got.StateReason, err)
	}

	// The unchanged row works, and so does the remedy for a changed one.
	if _, err := w.engine.TestConnection(t.Context(), "acme", "main"); err != nil {
		t.Errorf("the row as it was: %v", err)
	}
	row := mine
	row.domain, row.auth, row.client = thief.ResourceServer(), thief.AuthServer(), "app-2"
	w.overwrite(conn, row)
	app := testApp
	if _, _, err := w.engine.UpdateConnection(t.Context(), "acme", "ann", "main", engine.ConnectionChange{
		Domain: &mine.domain, AuthServer: &mine.auth, ClientID: &app, Secret: &clientSecret,
	}); err != nil {
		t.Errorf("entered again: %v", err)
	}
	if run := w.importAll(conn); run.State != repo.StateSucceeded || thief.Log().Requests != 0 {
		t.Errorf("run %s: %s; %d requests to the thief", run.State, run.Error, thief.Log().Requests)
	}
}

// The value of the MSP's own header opens only for the addresses and the header name for
// which it was entered.
func TestHeaderValueOpensOnlyForItsUse(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 5)
	g := w.gateway(gateKey)
	add := func(name string) repo.Connection {
		conn, err := w.engine.AddConnection(t.Context(), "acme", "test", g.input(w, name))
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	conn, other := add("main"), add("second")
	thief := w.gateway(gateKey)
	mine, others := w.storedRow(conn), w.storedRow(other)
	// The secret is sealed for the changed row, so that only the header's value does not
	// open.
	open := func(r *storedRow) {
		sealed, err := repotest.Keys(t).Seal(secret.NewString(testSecret), secret.Binding{
			Tenant: "acme", Connection: conn.ID.String(), AuthServer: r.auth, Domain: r.domain, ClientID: r.client, HaloTenant: r.haloTenant,
		}.ClientSecret()...)
		if err != nil {
			t.Fatal(err)
		}
		r.secret = sealed
	}
	carried, stolen := g.strayed.Load(), thief.strayed.Load()
	for what, change := range map[string]func(*storedRow){
		"another name":               func(r *storedRow) { r.header = "X-Echo" },
		"another case":               func(r *storedRow) { r.header = "X-Gateway-KEY" },
		"another address":            func(r *storedRow) { r.domain = thief.URL + "/api" },
		"both addresses":             func(r *storedRow) { r.domain, r.auth = thief.URL+"/api", thief.URL+"/auth" },
		"another connection's value": func(r *storedRow) { r.value = others.value },
		"the secret as the value":    func(r *storedRow) { r.value = r.secret },
		"a value of the former form": func(r *storedRow) { r.value = w.sealedFormerly(conn, gateKey, "header_sealed") },
	} {
		row := mine
		change(&row)
		open(&row)
		w.overwrite(conn, row)
		w.checkClosed(what, conn)
		w.overwrite(conn, mine)
	}
	if g.strayed.Load() != carried || thief.strayed.Load() != stolen || thief.refused.Load() != 0 {
		t.Errorf("%d requests carried a value, %d of them to the thief", g.strayed.Load()-carried, thief.strayed.Load())
	}
	if _, err := w.engine.TestConnection(t.Context(), "acme", "main"); err != nil {
		t.Errorf("the row as it was: %v", err)
	}
}
