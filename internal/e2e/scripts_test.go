package halosync_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/repo/repotest"
)

// The programs as people use them: built, started as processes, driven by
// their command lines and the environment.

const canaryID = "app-4711"

// Secrets that are searched for at the end of each test. They are new each time,
// so that no other process on the machine has them by chance, and the client's
// has characters that every encoding treats in its own way.
var (
	canaryCore          = "c4nary-" + rand.Text()[:14]
	canarySecret        = canaryCore + `/+&%="'<é`
	canaryPassword      = "c4nary-pg-" + rand.Text()[:14]
	canaryRedisPassword = "c4nary-redis-" + rand.Text()[:14]
)

// kit is what all end-to-end tests share: the built programs and a Redis.
var kit struct {
	bin   string
	redis *devstack.Redis
	dbs   atomic.Int64 // Redis databases handed out
}

func TestMain(m *testing.M) {
	if err := setUp(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := repotest.Run(m)
	if err := errors.Join(browser.Close(), kit.redis.Close(), os.RemoveAll(kit.bin)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// setUp builds both programs, with the race detector as the tests are.
func setUp() (err error) {
	if kit.bin, err = os.MkdirTemp("", "halosync-e2e-"); err != nil {
		return err
	}
	if err := devstack.BuildPrograms(kit.bin); err != nil {
		return err
	}
	ctx, cancel := testContext()
	defer cancel()
	kit.redis, err = devstack.StartRedis(ctx, devstack.RedisOptions{})
	return err
}

// TestScripts runs testdata/script: sessions at a shell, errors included.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("scripts: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			testscript.RunT(scriptLog{t, s.left}, testscript.Params{
				Files: []string{file},
				Setup: func(env *testscript.Env) error {
					env.Vars = append(env.Vars, s.env()...)
					env.Setenv("PATH", kit.bin+":"+env.Getenv("PATH"))
					env.Setenv("HALO", s.halo.ResourceServer())
					env.Setenv("AUTH", s.halo.AuthServer())
					env.Setenv("PAGE", webPage(t))
					env.Setenv("APP", canaryID)
					env.Setenv("SECRET", canarySecret)
					return os.WriteFile(filepath.Join(env.WorkDir, "secret.txt"), []byte(canarySecret+"\n"), 0o600)
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"exits": exits, "halo": s.haloCommand, "grab": grab, "worker-up": s.workerUp, "await-stdout": awaitStdout,
				},
			})
		})
	}
}

// exits runs a program and wants an exit code: exits 2 enqueue import.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// awaitStdout runs a program until its output fits: await-stdout REGEXP
// PROGRAM ARGS...
func awaitStdout(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await-stdout REGEXP PROGRAM ARGS...")
	}
	re, err := regexp.Compile(args[0])
	ts.Check(err)
	for end := time.Now().Add(time.Minute); !re.MatchString(ts.ReadFile("stdout")); {
		if time.Now().After(end) {
			ts.Fatalf("%s is not in the output of %v", args[0], args[1:])
		}
		ts.Check(ts.Exec(args[1], args[2:]...))
	}
}

// grab keeps a part of the last output in a variable, by a regular expression
// with one group: grab ID '"id": "(.*)"'.
func grab(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: grab NAME REGEXP")
	}
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	found := re.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("%s is not in the output", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// haloCommand changes the simulated Halo:
//
//	halo seed 250            realistic clients
//	halo add 12 Acme Ltd     one client
//	halo deactivate 12
//	halo activate 12
//	halo rename 12 Acme Limited
//	halo delete 12
//	halo purge 100           the first hundred clients, but the "Unknown" one
//	halo rights none|all     of the application's agent
//	halo secret NEW          of the application
//	halo revoke              its tokens
func (s *site) haloCommand(ts *testscript.TestScript, _ bool, args []string) {
	number := func(i int) int64 {
		n, err := strconv.ParseInt(args[i], 10, 64)
		ts.Check(err)
		return n
	}
	switch args[0] {
	case "seed":
		s.tenant.Seed(int(number(1)), 7)
	case "add":
		s.tenant.Add(halotest.Client{ID: number(1), Name: strings.Join(args[2:], " ")})
	case "deactivate":
		s.tenant.Deactivate(number(1))
	case "activate":
		s.tenant.Activate(number(1))
	case "rename":
		s.tenant.Rename(number(1), strings.Join(args[2:], " "))
	case "delete":
		s.tenant.Delete(number(1))
	case "purge":
		for _, id := range s.tenant.IDs()[1:number(1)] {
			s.tenant.Delete(id)
		}
	case "rights":
		if args[1] == "none" {
			s.app.Rights(halotest.ReadNone)
		} else {
			s.app.Rights(halotest.ReadAll)
		}
	case "secret":
		s.app.SetSecret(args[1])
	case "revoke":
		s.app.Revoke()
	default:
		ts.Fatalf("halo %s is unknown", args[0])
	}
}

// webPage is a server that answers everything with a page, as a mistyped
// address does.
func webPage(t *testing.T) string {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!DOCTYPE html><title>Welcome</title>")
	}))
	t.Cleanup(page.Close)
	return page.URL
}

// workerUp starts a worker that lives until the script ends.
func (s *site) workerUp(ts *testscript.TestScript, _ bool, _ []string) {
	w := s.startWorker(ts.Getenv("HALOSYNC_KEYSET"))
	ts.Defer(func() { w.stop(s.t) })
}
