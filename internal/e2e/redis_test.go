package halosync_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/devstack"
)

// privateRedis starts a Redis that the test's end stops.
func privateRedis(t *testing.T, opts devstack.RedisOptions) *devstack.Redis {
	t.Helper()
	r, err := devstack.StartRedis(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// workerFails starts a worker that does not come up, and returns what it says.
func (s *site) workerFails() string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(kit.bin, "worker"))
	cmd.Env = append(os.Environ(), s.env()...)
	out, err := cmd.CombinedOutput()
	s.left.add("outputs and errors", string(out))
	if err == nil || cmd.ProcessState.ExitCode() != 1 {
		s.t.Errorf("worker: %v, want exit code 1\n%s", err, out)
	}
	return string(out)
}

// A Redis that would throw tasks away is refused by name; one that forgets at a
// restart is used, and told about.
func TestWorkerLooksAtRedis(t *testing.T) {
	t.Parallel()
	r := privateRedis(t, devstack.RedisOptions{Config: []string{"maxmemory-policy allkeys-lru"}})
	s := newSite(t, fast)
	s.redis = r.URL()
	if out := s.workerFails(); !strings.Contains(out, "maxmemory-policy is allkeys-lru") || !strings.Contains(out, "set maxmemory-policy noeviction") {
		t.Errorf("worker says:\n%s", out)
	}
	if _, err := r.Do(t.Context(), "CONFIG", "SET", "maxmemory-policy", "noeviction"); err != nil {
		t.Fatal(err)
	}
	w := s.startWorker(s.keyset)
	w.stop(t)
	if log := w.log.String(); !strings.Contains(log, "appendonly yes") {
		t.Errorf("no warning of a Redis without a disk:\n%s", log)
	}
}

// aclRights are those that docs/operating.md tells to give.
func aclRights(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	const head = "user halosync on >PASSWORD "
	_, text, ok := strings.Cut(string(b), head)
	if !ok {
		t.Fatalf("docs/operating.md has no line %q", head)
	}
	text, _, _ = strings.Cut(text, "\n```")
	return strings.Join(strings.Fields(text), " ")
}

// TLS with a private authority and a certificate of the client's, and a user
// with the rights that the documentation lists: not one too few, and the
// password nowhere.
func TestRedisOverTLSAsUser(t *testing.T) {
	t.Parallel()
	password := canaryRedisPassword
	r := privateRedis(t, devstack.RedisOptions{TLS: true, Config: []string{
		"user halosync on >" + password + " " + aclRights(t),
	}})
	addr, ca, cert, key := r.TLS()
	address := func(login string, files ...string) string {
		q := url.Values{}
		for i := 0; i < len(files); i += 2 {
			q.Set(files[i], files[i+1])
		}
		return "rediss://" + login + "@" + addr + "/0?" + q.Encode()
	}
	s := newSite(t, fast)
	s.redis = address("halosync:"+password, "ca_file", ca, "cert_file", cert, "key_file", key)
	s.extraEnv = []string{"HALOSYNC_LOG_LEVEL=debug"}
	s.tenant.Seed(250, 7)
	w := s.startWorker(s.keyset)
	s.connect()
	out, errs, code := s.enqueue("import", "--connection", "halo", "--all", "--wait", "-o", "json")
	if result := decode[run](t, out); code != 0 || result.State != "succeeded" || result.Records != 250 {
		t.Errorf("import: exit code %d, %s%s", code, out, errs)
	}
	said := out + errs + s.must("resync", "--connection", "halo", "--wait", "-o", "json")
	w.stop(t)
	said += w.log.String()
	if log, err := r.Do(t.Context(), "ACL", "LOG"); err != nil || log != "" {
		t.Errorf("refused commands: %v\n%s", err, log)
	}

	good := s.redis
	defer func() { s.redis = good }() // for the search at the end, whichever fault came last
	for what, c := range map[string]struct {
		redis, want string
		rights      []string
	}{
		"another authority":      {address("halosync:"+password, "cert_file", cert, "key_file", key), "certificate signed by unknown authority", nil},
		"no certificate to show": {address("halosync:"+password, "ca_file", ca), "certificate required", nil},
		"wrong password":         {address("halosync:wr0ng", "ca_file", ca, "cert_file", cert, "key_file", key), "WRONGPASS", nil},
		"no scripts":             {s.redis, "has no permissions to run the 'eval", []string{"-eval", "-evalsha"}},
		"no queue":               {s.redis, "key", []string{"resetkeys", "~halosync:*"}},
		"no channel":             {s.redis, "channel", []string{"resetchannels"}},
	} {
		if c.rights != nil {
			if _, err := r.Do(t.Context(), append([]string{"ACL", "SETUSER", "halosync"}, c.rights...)...); err != nil {
				t.Fatal(err)
			}
		}
		s.redis = c.redis
		text := s.workerFails()
		if !strings.Contains(text, "redis: ") || !strings.Contains(text, c.want) {
			t.Errorf("%s: worker says\n%s", what, text)
		}
		said += text
		if c.rights != nil {
			restore := append([]string{"ACL", "SETUSER", "halosync"}, strings.Fields(aclRights(t))...)
			if _, err := r.Do(t.Context(), restore...); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, secret := range []string{password, "wr0ng"} {
		if strings.Contains(said, secret) {
			t.Errorf("%q is in what the programs say", secret)
		}
	}
}
