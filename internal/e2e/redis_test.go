package e2e

import (
	"net/url"
	"strings"
	"testing"

	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/internal/e2e/installation"
)

// A worker refuses a Redis that may evict tasks, and it states the reason. It accepts a
// Redis without persistence, but warns about it.
func TestWorkerLooksAtRedis(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	r := in.PrivateRedis(devstack.RedisOptions{Config: []string{"maxmemory-policy allkeys-lru"}})
	in.Redis = r.URL()
	if out := in.Work(1); !strings.Contains(out, "maxmemory-policy is allkeys-lru") || !strings.Contains(out, "set maxmemory-policy noeviction") {
		t.Errorf("worker says:\n%s", out)
	}
	if _, err := r.Do(t.Context(), "CONFIG", "SET", "maxmemory-policy", "noeviction"); err != nil {
		t.Fatal(err)
	}
	w := in.StartWorker()
	w.Stop(t)
	if log := w.Log.String(); !strings.Contains(log, "appendonly yes") {
		t.Errorf("no warning about a Redis without persistence:\n%s", log)
	}
}

// aclRights returns the rights that docs/operating.md lists.
func aclRights(t *testing.T) string {
	t.Helper()
	const head = "user halosync on >PASSWORD "
	_, text, ok := strings.Cut(installation.ReadFile(t, "docs/operating.md"), head)
	if !ok {
		t.Fatalf("docs/operating.md has no line %q", head)
	}
	text, _, _ = strings.Cut(text, "\n```")
	return strings.Join(strings.Fields(text), " ")
}

// The programs use Redis over TLS, with a private authority and a client
// certificate. The Redis user has only the documented rights, which suffice.
// The password is not in any output.
func TestRedisOverTLSAsUser(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	password := in.Secrets.Redis
	r := in.PrivateRedis(devstack.RedisOptions{TLS: true, Config: []string{
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
	in.Redis = address("halosync:"+password, "ca_file", ca, "cert_file", cert, "key_file", key)
	in.Env = []string{"HALOSYNC_LOG_LEVEL=debug"}
	in.Tenant.Seed(250, 7)
	w := in.StartWorker()
	in.Connect()
	out, errs, code := in.Enqueue("import", "--connection", "halo", "--all", "--wait", "-o", "json")
	if result := installation.Decode[installation.Run](t, out); code != 0 || result.State != "succeeded" || result.Records != 250 {
		t.Errorf("import: exit code %d, %s%s", code, out, errs)
	}
	said := out + errs + in.Must("resync", "--connection", "halo", "--wait", "-o", "json")
	w.Stop(t)
	said += w.Log.String()
	if log, err := r.Do(t.Context(), "ACL", "LOG"); err != nil || log != "" {
		t.Errorf("refused commands: %v\n%s", err, log)
	}

	good := in.Redis
	defer func() { in.Redis = good }() // the search at the end needs a working URL
	for what, c := range map[string]struct {
		redis, want string
		rights      []string
	}{
		"another authority":      {address("halosync:"+password, "cert_file", cert, "key_file", key), "certificate signed by unknown authority", nil},
		"no certificate to show": {address("halosync:"+password, "ca_file", ca), "certificate", nil},
		"wrong password":         {address("halosync:wr0ng", "ca_file", ca, "cert_file", cert, "key_file", key), "WRONGPASS", nil},
		"no scripts":             {in.Redis, "has no permissions to run the 'eval", []string{"-eval", "-evalsha"}},
		"no queue":               {in.Redis, "key", []string{"resetkeys", "~halosync:*"}},
		"no channel":             {in.Redis, "channel", []string{"resetchannels"}},
	} {
		if c.rights != nil {
			if _, err := r.Do(t.Context(), append([]string{"ACL", "SETUSER", "halosync"}, c.rights...)...); err != nil {
				t.Fatal(err)
			}
		}
		in.Redis = c.redis
		text := in.Work(1)
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
			t.Errorf("%q is in the programs' output", secret)
		}
	}
}
