package e2e

import (
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// Errors about server addresses never show the password, even if a typing
// mistake moves the password to another part of the URL. All addresses in this
// test are on this machine.
func TestFaultsAreToldWithoutPasswords(t *testing.T) {
	t.Parallel()
	in := installation.New(t)
	pw := in.Secrets.Postgres
	pg, wrong := askingPostgres(t, pw), "c4nary-wr0ng-passw0rd"
	login := func(password string) string {
		u, err := url.Parse(pg)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword("halosync", password)
		return u.String()
	}
	type set map[string]string
	var waiting sync.WaitGroup
	said := make(chan string, 100)
	slots := make(chan struct{}, 2)
	try := func(what string, env set, args ...string) {
		waiting.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			cmd := exec.CommandContext(t.Context(), installation.Program(t, args[0]), args[1:]...)
			cmd.Env = append(os.Environ(), in.Environ()...)
			for name, value := range env {
				cmd.Env = append(cmd.Env, name+"="+value)
			}
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() > 2 || len(out) < 20 {
				t.Errorf("%s: %s: %v\n%s", what, args, err, out)
			}
			said <- what + ": " + string(out)
		})
	}
	for what, address := range map[string]string{
		"unreachable": "postgres://u:" + pw + "@127.0.0.1:1/db", "no socket": "postgres://u:" + pw + "@/db?host=/nowhere",
		"broken escape": "postgres://u:" + pw + "%zz@127.0.0.1:1/db", "slash in it": "postgres://u:" + pw + "/x@127.0.0.1:1/db",
		"hash in it": "postgres://u:" + pw + "#x@127.0.0.1:1/db", "port": "postgres://u:" + pw + "@127.0.0.1:port/db",
		"blank": "postgres://u:x " + pw + "@127.0.0.1:1/db", "option": "postgres://u:" + pw + "@127.0.0.1:1/db?sslmode=maybe",
		"keywords": "host=/nowhere user=u password=" + pw, "broken keywords": "host=/nowhere user=u password='" + pw,
		"alone": pw, "other scheme": "mysql://u:" + pw + "@127.0.0.1:1/db", "wrong password": login(wrong),
		"no rights": login(pw),
	} {
		try("DATABASE_URL, "+what, set{"DATABASE_URL": address}, "worker")
	}
	try("DATABASE_URL", set{"DATABASE_URL": login(wrong)}, "enqueue", "connection", "list")
	try("DATABASE_URL", set{"DATABASE_URL": "postgres://u:" + pw + "%zz@127.0.0.1:1/db"}, "enqueue", "keyset", "status")
	try("DATABASE_URL", set{"DATABASE_URL": login(wrong)}, "worker", "migrate")
	for what, address := range map[string]string{
		"unreachable": "redis://u:" + pw + "@127.0.0.1:1/0", "no socket": "redis-socket://u:" + pw + "@/nowhere?db=0",
		"broken escape": "redis://u:" + pw + "%zz@127.0.0.1:1/0", "slash in it": "redis://u:" + pw + "/x@127.0.0.1:1/0",
		"hash in it": "redis://u:" + pw + "#x@127.0.0.1:1/0", "option": "redis://u:" + pw + "@127.0.0.1:1/0?" + pw + "=1",
		"alone": pw, "sentinel": "redis-sentinel://u:" + pw + "@127.0.0.1:1/0?master=m", "cluster": "redis-cluster://u:" + pw + "@127.0.0.1:1",
	} {
		try("REDIS_URL, "+what, set{"REDIS_URL": address}, "worker")
	}
	for what, env := range map[string]set{
		"key set instead of its file": {"HALOSYNC_KEYSET": "", "HALOSYNC_KEYSET_FILE": in.Secrets.Keyset},
		"URL instead of its file":     {"DATABASE_URL": "", "DATABASE_URL_FILE": "postgres://u:" + pw + "@127.0.0.1:1/db"},
		"key set, cut":                {"HALOSYNC_KEYSET": in.Secrets.Keyset[:len(in.Secrets.Keyset)-6]},
		"key set, twice":              {"HALOSYNC_KEYSET": in.Secrets.Keyset + in.Secrets.Keyset},
	} {
		try(what, env, "worker")
	}
	waiting.Wait()
	close(said)
	wanted := in.Wanted()
	wanted.Add("the wrong password", wrong)
	n, refused := 0, 0
	for text := range said {
		n++
		if strings.Contains(text, "password authentication failed") {
			refused++
		}
		in.Keep("outputs and errors", text)
		for _, found := range wanted.Find(text) {
			t.Errorf("%s (%s) is shown: %s", found.Of, found.Form, text)
		}
	}
	if refused != 3 {
		t.Errorf("%d wrong passwords were refused", refused)
	}
	t.Logf("%d faults", n)
}

// askingPostgres starts a server that requires a password for the role
// halosync, which has no rights.
func askingPostgres(t *testing.T, password string) (address string) {
	t.Helper()
	server := repotest.Server(t, nil)
	repotest.Exec(t, server.URL(), `create role halosync login password '`+password+`'`)
	rules := "local all postgres trust\nlocal all all scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(server.Dir(), "data", "pg_hba.conf"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded := repotest.Value[time.Time](t, server.URL(), `select pg_conf_load_time()`)
	repotest.Exec(t, server.URL(), `select pg_reload_conf()`)
	for !repotest.Value[time.Time](t, server.URL(), `select pg_conf_load_time()`).After(loaded) {
		time.Sleep(10 * time.Millisecond)
	}
	return server.URL()
}
