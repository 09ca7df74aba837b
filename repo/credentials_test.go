package repo_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// A change to the data to which the stored values are bound reseals them in the same
// transaction. A stored value is never sealed for another address, or for a header of
// another name, even if two people change the connection at the same time.
func TestChangesSealAgain(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	conn := must[repo.Connection](t)(w.AddConnection(t.Context(), w.tenant, "ann", withHeader("extra")))
	sealed := func() (client, header []byte) {
		return repotest.Value[[]byte](t, w.url, `select secret_sealed from halosync.connections where id = $1`, conn.ID),
			repotest.Value[[]byte](t, w.url, `select header_sealed from halosync.connections where id = $1`, conn.ID)
	}
	name, limit, app, tenant, spelled := "renamed", "9/1m", "another-app", "hosted", "X-GATEWAY-KEY"
	domain, auth, header := "https://thief.example/api", "https://thief.example/auth", "X-Other"
	clientSecret, value := secret.NewString("hunter3"), secret.NewString("gate-3")
	for what, c := range map[string]struct {
		change         repo.ConnectionChange
		client, header bool // sealed again
	}{
		"name and limit":   {repo.ConnectionChange{Name: &name, RateLimit: &limit}, false, false},
		"same addresses":   {repo.ConnectionChange{Domain: &conn.Domain, AuthServer: &conn.AuthServer, RateLimit: new(string)}, false, false},
		"client id":        {repo.ConnectionChange{ClientID: &app}, true, true},
		"Halo tenant":      {repo.ConnectionChange{HaloTenant: &tenant}, true, true},
		"spelling of name": {repo.ConnectionChange{HeaderName: &spelled}, false, true},
	} {
		client, header := sealed()
		must[repo.Connection](t)(w.UpdateConnection(t.Context(), w.tenant, "ann", conn.ID, c.change))
		client2, header2 := sealed()
		equal(t, what, []bool{!bytes.Equal(client, client2), !bytes.Equal(header, header2)}, []bool{c.client, c.header})
		equal(t, what+": secret", must[secret.String](t)(openSecret(t, w.Store, w.tenant, conn.ID)).Reveal(), "hunter2-extra")
		_, opened, err := openHeader(t, w.Store, w.tenant, conn.ID)
		if err != nil || opened.Reveal() != "gate-extra" {
			t.Errorf("%s: header: %v", what, err)
		}
	}

	before := must[repo.Connection](t)(w.Connection(t.Context(), w.tenant, conn.ID))
	for what, change := range map[string]repo.ConnectionChange{
		"domain": {Domain: &domain}, "authorisation server": {AuthServer: &auth}, "both": {Domain: &domain, AuthServer: &auth},
		"with the secret alone": {Domain: &domain, Secret: &clientSecret}, "with the header's value alone": {AuthServer: &auth, HeaderValue: &value},
		"another header": {HeaderName: &header},
	} {
		if _, err := w.UpdateConnection(t.Context(), w.tenant, "eve", conn.ID, change); !errors.Is(err, repo.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	equal(t, "after the refused changes", must[repo.Connection](t)(w.Connection(t.Context(), w.tenant, conn.ID)), before)

	must[repo.Connection](t)(w.UpdateConnection(t.Context(), w.tenant, "ann", conn.ID,
		repo.ConnectionChange{Domain: &domain, AuthServer: &auth, Secret: &clientSecret, HeaderValue: &value}))
	equal(t, "entered for another address", must[secret.String](t)(openSecret(t, w.Store, w.tenant, conn.ID)).Reveal(), "hunter3")

	// The values in a row that was changed directly in Postgres do not open, whatever
	// else changes.
	repotest.Exec(t, w.url, `update halosync.connections set domain = 'https://other.example/api' where id = $1`, conn.ID)
	if _, err := w.UpdateConnection(t.Context(), w.tenant, "ann", conn.ID, repo.ConnectionChange{ClientID: &name}); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("client id of a changed row: %v", err)
	}
	if _, err := w.UpdateConnection(t.Context(), w.tenant, "ann", conn.ID, repo.ConnectionChange{Name: &header}); err != nil {
		t.Errorf("name of a changed row: %v", err)
	}
}
