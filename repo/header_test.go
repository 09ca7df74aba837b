package repo_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// withHeader returns a new connection that has an HTTP header.
func withHeader(name string) repo.NewConnection {
	n := newConnection(name)
	n.HeaderName, n.HeaderValue = "X-Gateway-Key", secret.NewString("gate-"+name)
	return n
}

// header returns the connection's header as "name: value".
func header(t *testing.T, store *repo.Store, tenant string, id uuid.UUID) string {
	t.Helper()
	name, value, err := openHeader(t, store, tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return name + ": " + value.Reveal()
}

// The value of the header is sealed like the secret. It stays until it is replaced or the
// header is removed.
func TestConnectionHeader(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	equal(t, "none", header(t, w.Store, w.tenant, w.conn), ": ")
	conn := must[repo.Connection](t)(w.AddConnection(t.Context(), w.tenant, "ann", withHeader("extra")))
	equal(t, "added", header(t, w.Store, w.tenant, conn.ID), "X-Gateway-Key: gate-extra")
	equal(t, "name", conn.HeaderName, "X-Gateway-Key")
	sealed := func() []byte {
		return repotest.Value[[]byte](t, w.url, `select header_sealed from halosync.connections where id = $1`, conn.ID)
	}
	first := sealed()
	if bytes.Contains(first, []byte("gate")) {
		t.Error("the value is not encrypted")
	}
	name, none, value := "X-Other", "", secret.NewString("gate-2")
	must[repo.Connection](t)(w.UpdateConnection(t.Context(), w.tenant, "ann", conn.ID, repo.ConnectionChange{Name: &name}))
	equal(t, "after another change", header(t, w.Store, w.tenant, conn.ID), "X-Gateway-Key: gate-extra")
	if err := w.ConfirmInstance(t.Context(), w.tenant, conn.ID); err != nil {
		t.Fatal(err)
	}
	changed := must[repo.Connection](t)(w.UpdateConnection(t.Context(), w.tenant, "ann", conn.ID, repo.ConnectionChange{HeaderName: &name, HeaderValue: &value}))
	equal(t, "replaced", header(t, w.Store, w.tenant, conn.ID), "X-Other: gate-2")
	equal(t, "may be another Halo", changed.InstanceUnsure, true)

	// A sealed value can be decrypted only in its own column and row.
	repotest.Exec(t, w.url, `update halosync.connections set secret_sealed = header_sealed where id = $1`, conn.ID)
	if _, err := openSecret(t, w.Store, w.tenant, conn.ID); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("value as secret: %v", err)
	}
	other := must[repo.Connection](t)(w.AddConnection(t.Context(), "globex", "ann", withHeader("other")))
	repotest.Exec(t, w.url, `update halosync.connections set header_sealed = $1 where id = $2`, sealed(), other.ID)
	if _, _, err := openHeader(t, w.Store, "globex", other.ID); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("copied value: %v", err)
	}

	// Neither half exists without the other.
	if _, err := w.UpdateConnection(t.Context(), w.tenant, "ann", w.conn, repo.ConnectionChange{HeaderName: &name}); !errors.Is(err, repo.ErrInvalid) {
		t.Errorf("name without a value: %v", err)
	}
	if _, err := w.UpdateConnection(t.Context(), w.tenant, "ann", w.conn, repo.ConnectionChange{HeaderValue: &value}); !errors.Is(err, repo.ErrInvalid) {
		t.Errorf("value without a name: %v", err)
	}
	must[repo.Connection](t)(w.UpdateConnection(t.Context(), w.tenant, "ann", conn.ID, repo.ConnectionChange{HeaderName: &none}))
	equal(t, "removed", header(t, w.Store, w.tenant, conn.ID), ": ")
	if sealed() != nil {
		t.Error("the value is still stored")
	}
	dump := repotest.Value[string](t, w.url, `select string_agg(e::text, ' ') from halosync.events e`)
	if strings.Contains(dump, "gate-") || !strings.Contains(dump, "header value replaced") || !strings.Contains(dump, "X-Other") {
		t.Errorf("events: %s", dump)
	}
}

// A key rotation reseals header values, even if the secret of the same connection is
// already sealed with the new key or cannot be decrypted.
func TestResealHeaders(t *testing.T) {
	t.Parallel()
	url := repotest.URL(t)
	old := must[string](t)(secret.New())
	rotated := must[string](t)(secret.Rotate(old))
	before, store := sealing(t, url, old), sealing(t, url, rotated)
	var ids []uuid.UUID
	for i := range 4 {
		ids = append(ids, must[repo.Connection](t)(before.AddConnection(t.Context(), "acme", "ann", withHeader(fmt.Sprint(i)))).ID)
	}
	must[repo.Connection](t)(before.AddConnection(t.Context(), "acme", "ann", newConnection("without")))
	fresh := secret.NewString("fresh")
	must[repo.Connection](t)(store.UpdateConnection(t.Context(), "acme", "ann", ids[1], repo.ConnectionChange{Secret: &fresh}))
	repotest.Exec(t, url, `update halosync.connections set secret_sealed = set_byte(secret_sealed, 20, 255 - get_byte(secret_sealed, 20)) where id = $1`, ids[2])
	repotest.Exec(t, url, `update halosync.connections set header_sealed = set_byte(header_sealed, 20, 255 - get_byte(header_sealed, 20)) where id = $1`, ids[3])
	equal(t, "before", uses(t, store), "reads 8, primary 1")

	sealed, stuck := reseal(t, store, 2)
	equal(t, "sealed again", sealed, 6)
	equal(t, "stuck", len(stuck), 2)
	equal(t, "afterwards", uses(t, store), "reads 2, primary 7")
	for i, id := range ids[:3] {
		equal(t, "header", header(t, store, "acme", id), fmt.Sprintf("X-Gateway-Key: gate-%d", i))
	}
	if _, _, err := openHeader(t, before, "acme", ids[0]); !errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("the old key still decrypts the value: %v", err)
	}
}
