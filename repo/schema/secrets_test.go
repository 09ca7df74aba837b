package schema_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo/repotest"
	"github.com/halosync/halosync/repo/schema"
)

// upTo returns the migrations of the program up to a version.
func upTo(t *testing.T, version int) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for _, name := range must[[]string](t)(fs.Glob(schema.Embedded(), "*.sql"))[:version] {
		files[name] = &fstest.MapFile{Data: must[[]byte](t)(fs.ReadFile(schema.Embedded(), name))}
	}
	return files
}

// sealWith returns a sealed value.
func sealWith(t *testing.T, keys *secret.Keyset, plain string, aad ...string) []byte {
	t.Helper()
	return must[[]byte](t)(keys.Seal(secret.NewString(plain), aad...))
}

// The migration reseals the credentials of an older schema once, so that they open for
// the addresses in their rows at that time. Without the key set, the migration changes
// nothing.
func TestMigrateBindsSecrets(t *testing.T) {
	t.Parallel()
	text := must[string](t)(secret.New())
	old := must[*secret.Keyset](t)(secret.Parse(text))
	keys := must[*secret.Keyset](t)(secret.Parse(must[string](t)(secret.Rotate(text))))
	for _, version := range []int{11, 14} { // without and with the columns for a header
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			url := repotest.EmptyURL(t)
			must[schema.Result](t)(schema.MigrateFS(t.Context(), url, upTo(t, version)))
			add := func(id uuid.UUID, name string, sealed []byte) {
				repotest.Exec(t, url, `insert into halosync.connections (id, tenant, name, domain, auth_server, halo_tenant, client_id, secret_sealed)
					values ($1, 'acme', $2, 'https://h/api', 'https://h/auth', 'ht', 'app', $3)`, id, name, sealed)
			}
			good, foreign := uuid.New(), uuid.New()
			add(good, "good", sealWith(t, old, "s3cret", "acme", good.String(), "connections.secret_sealed"))
			add(foreign, "foreign", sealWith(t, keys, "s3cret", "acme", good.String(), "connections.secret_sealed"))
			sealed := 1
			if version >= 12 {
				sealed++
				repotest.Exec(t, url, `update halosync.connections set header_name = 'X-Key', header_sealed = $2 where id = $1`,
					good, sealWith(t, keys, "v4lue", "acme", good.String(), "connections.header_sealed"))
			}

			state := func() string {
				return repotest.Value[string](t, url, `select max(version_id) || string_agg(distinct md5(c::text), ' ') from halosync.schema_versions, halosync.connections c`)
			}
			before := state()
			var refused *schema.KeysError
			if _, err := schema.Migrate(t.Context(), url); !errors.As(err, &refused) || refused.Connections != 2 || !strings.Contains(err.Error(), "set HALOSYNC_KEYSET") {
				t.Errorf("without a key set: %v", err)
			}
			stranger := must[*secret.Keyset](t)(secret.Parse(must[string](t)(secret.New())))
			if _, err := schema.MigrateWith(t.Context(), url, stranger); !errors.As(err, &refused) || refused.Missing == 0 {
				t.Errorf("with another key set: %v", err)
			}
			equal(t, "state after the refusals", state(), before)

			res := must[schema.Result](t)(schema.MigrateWith(t.Context(), url, keys))
			equal(t, "result", res, schema.Result{From: int64(version), To: schema.Version(), Sealed: sealed, Unreadable: []uuid.UUID{foreign}})
			binding := secret.Binding{
				Tenant: "acme", Connection: good.String(), AuthServer: "https://h/auth", Domain: "https://h/api", ClientID: "app", HaloTenant: "ht",
			}
			value := func(column string) []byte {
				return repotest.Value[[]byte](t, url, `select `+column+` from halosync.connections where id = $1`, good)
			}
			plain := must[secret.String](t)(keys.Open(value("secret_sealed"), binding.ClientSecret()...))
			equal(t, "secret", plain.Reveal(), "s3cret")
			if version >= 12 {
				binding.HeaderName = "X-Key"
				plain = must[secret.String](t)(keys.Open(value("header_sealed"), binding.HeaderValue()...))
				equal(t, "header", plain.Reveal(), "v4lue")
			}

			// If a value of the older form is put back into the row, it does not open,
			// and no later migration reseals it.
			copied := sealWith(t, keys, "s3cret", "acme", good.String(), "connections.secret_sealed")
			repotest.Exec(t, url, `update halosync.connections set secret_sealed = $2, domain = 'https://thief/api' where id = $1`, good, copied)
			equal(t, "again", must[schema.Result](t)(schema.MigrateWith(t.Context(), url, keys)), schema.Result{From: schema.Version(), To: schema.Version()})
			if !slices.Equal(value("secret_sealed"), copied) {
				t.Error("a later migration has sealed it again")
			}
		})
	}
}
