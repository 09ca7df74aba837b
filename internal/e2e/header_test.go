package e2e

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/halosync/halosync/internal/e2e/installation"
)

// A self-hosted Halo has its authorisation server at the root of its host and is behind a
// gateway that requires an additional header. The CLI finds the token endpoint, the worker
// sends the header with every request, and the header's value leaves no trace.
func TestGatewayBeforeHalo(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	in.Env = []string{"HALOSYNC_LOG_LEVEL=debug"}
	in.Tenant.Seed(250, 7)
	value := "c4nary-gate-" + rand.Text()[:14]
	in.KeepAccess(value)
	var open atomic.Value
	open.Store(value)
	var refused atomic.Int64
	gateway := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Gateway-Key") != open.Load():
			refused.Add(1)
			rw.WriteHeader(http.StatusForbidden)
			_, _ = rw.Write([]byte("no entry with " + r.Header.Get("X-Gateway-Key")))
			return
		case r.URL.Path == "/token":
			r.URL.Path = "/auth/token"
		case strings.HasPrefix(r.URL.Path, "/auth/"):
			rw.WriteHeader(http.StatusNotFound)
			return
		}
		in.Halo.ServeHTTP(rw, r)
	}))
	t.Cleanup(gateway.Close)

	file := in.File("gate.txt", value+"\r\n")
	add := []string{"connection", "add", "halo", "--domain", gateway.URL, "--auth-server", gateway.URL, "--client-id", installation.ClientID, "--client-secret-file", "-"}
	if _, errs, code := in.Enqueue(add...); code != 1 || !strings.Contains(errs, "403") {
		t.Errorf("without the header: exit code %d\n%s", code, errs)
	}
	added := in.Must(append(add, "--header-name", "X-Gateway-Key", "--header-value-file", file, "-o", "json")...)
	if conn := installation.Decode[map[string]any](t, added); conn["auth_server"] != gateway.URL+"/token" || conn["header_name"] != "X-Gateway-Key" {
		t.Errorf("added: %s", added)
	}
	refused.Store(0)
	w := in.StartWorker()
	defer w.Stop(t)
	if run := in.ImportAll(); run.State != "succeeded" || refused.Load() != 0 {
		t.Errorf("%s, %d requests without the header: %s", run.State, refused.Load(), run.Error)
	}

	// The gateway quotes the value that it refuses.
	second := "c4nary-gate-" + rand.Text()[:14]
	in.KeepAccess(second)
	open.Store(second)
	in.Enqueue("connection", "test", "halo")
	in.Enqueue("import", "--connection", "halo", "--search", "a", "--wait")
	// The value can also come from standard input, which here happens to contain the client
	// secret.
	if _, errs, code := in.Enqueue("connection", "update", "halo", "--header-value-file", "-"); code != 2 || !strings.Contains(errs, "outside ASCII") {
		t.Errorf("a value that no header can hold: exit code %d\n%s", code, errs)
	}
	in.Must("connection", "update", "halo", "--header-value-file", in.File("second.txt", second))
	in.Must("connection", "test", "halo")
	in.Must("events", "--limit", "0", "-o", "json")
	w.KeepPages()
}
