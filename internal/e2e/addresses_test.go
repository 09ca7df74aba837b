package e2e

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/e2e/installation"
)

// The program refuses addresses of this machine and does not connect to them,
// although their ports are open. The full list is in halo/hostile_test.go.
func TestProgramRefusesHostileAddresses(t *testing.T) {
	t.Parallel()
	in := installation.New(t)
	in.Env = []string{"HALOSYNC_ALLOW_HOSTS="}
	trap, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connected := make(chan string, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := trap.Accept()
			if err != nil {
				return
			}
			connected <- conn.RemoteAddr().String()
			conn.Close()
		}
	}()
	_, port, err := net.SplitHostPort(trap.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		address, why string
		code         int
	}{
		{"127.0.0.1:PORT", "loopback", 2},
		{"http://127.0.0.1:PORT/api", "HALOSYNC_ALLOW_HOSTS", 2},
		{"2130706433:PORT", "write 127.0.0.1", 2},
		{"0x7f.1:PORT", "write 127.0.0.1", 2},
		{"[::ffff:127.0.0.1]:PORT", "write 127.0.0.1", 2},
		{"https://good.example@127.0.0.1:PORT", "user name", 2},
		{"localhost:PORT", "HALOSYNC_ALLOW_HOSTS", 1},
	} {
		address := strings.Replace(tt.address, "PORT", port, 1)
		out, errs, code := in.Enqueue("connection", "add", "x", "--domain", address, "--auth-server", address, "--client-id", installation.ClientID, "--client-secret-file", "-")
		if code != tt.code || !strings.Contains(errs, tt.why) || strings.Contains(out+errs, in.Secrets.Client) {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", address, code, tt.code, tt.why, out, errs)
		}
	}
	trap.Close()
	<-ended
	if len(connected) > 0 {
		t.Errorf("%d connections", len(connected))
	}
}

// A Halo whose certificate comes from a private authority receives nothing
// until HALOSYNC_CA_FILE names that authority. Then the CLI and the worker can
// call this Halo.
func TestPrivateAuthority(t *testing.T) {
	t.Parallel()
	in := installation.New(t)
	in.Halo = halotest.New()
	t.Cleanup(in.Halo.Close)
	authority, err := in.Halo.ListenTLS("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	in.Tenant = in.Halo.Tenant("")
	in.App = in.Tenant.App(installation.ClientID, in.Secrets.Client)
	in.Tenant.Seed(120, 7)
	path := filepath.Join(t.TempDir(), "ca.pem")

	add := in.AddCommand("halo")
	if _, errs, code := in.Enqueue(add...); code != 1 || !strings.Contains(errs, "HALOSYNC_CA_FILE") || in.Halo.Log().Requests != 0 {
		t.Errorf("unknown authority: exit code %d, %d requests\n%s", code, in.Halo.Log().Requests, errs)
	}

	// Both programs report an invalid CA file. The worker reports all invalid
	// settings together.
	if err := os.WriteFile(path, append(authority, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	in.Env = []string{"HALOSYNC_CA_FILE=" + path}
	if _, errs, code := in.Enqueue(add...); code != 2 || !strings.Contains(errs, "HALOSYNC_CA_FILE") || !strings.Contains(errs, "private key") {
		t.Errorf("file with a key: exit code %d\n%s", code, errs)
	}
	cmd := exec.Command(installation.Program(t, "worker"))
	cmd.Env = append(append(os.Environ(), in.Environ()...), "HALOSYNC_ALLOW_HOSTS=a b")
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(text), "HALOSYNC_CA_FILE") || !strings.Contains(string(text), "HALOSYNC_ALLOW_HOSTS") {
		t.Errorf("worker: %v\n%s", err, text)
	}

	if err := os.WriteFile(path, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	in.Must(add...)
	w := in.StartWorker()
	in.Must("import", "--connection", "halo", "--all", "--wait")
	w.Stop(t)
	if !strings.Contains(w.Log.String(), `"certificates":1`) {
		t.Errorf("the worker does not log the CA file that it read:\n%s", w.Log)
	}
}
