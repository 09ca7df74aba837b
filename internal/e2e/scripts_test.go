package e2e

import (
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
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/e2e/installation"
)

// TestScripts runs the shell sessions in testdata/script, with the database role of the
// CLI.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("scripts: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			in := installation.New(t)
			testscript.RunT(scriptLog{t, in}, testscript.Params{
				Files: []string{file},
				Setup: func(env *testscript.Env) error {
					env.Vars = append(env.Vars, in.Environ()...)
					env.Setenv("PATH", filepath.Dir(installation.Program(t, "enqueue"))+":"+env.Getenv("PATH"))
					for name, role := range map[string]string{"DATABASE_URL": "halosync_cli", "CLI_URL": "halosync_cli", "WORKER_URL": "halosync_worker", "OWNER_URL": ""} {
						env.Setenv(name, installation.WithPassword(t, in.DB, role, in.Secrets.Postgres))
					}
					env.Setenv("HALO", in.Halo.ResourceServer())
					env.Setenv("AUTH", in.Halo.AuthServer())
					env.Setenv("PAGE", webPage(t))
					env.Setenv("APP", installation.ClientID)
					env.Setenv("SECRET", in.Secrets.Client)
					return os.WriteFile(filepath.Join(env.WorkDir, "secret.txt"), []byte(in.Secrets.Client+"\n"), 0o600)
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"exits": exits, "grab": grab,
					"await-stdout": awaitStdout,
					"halo":         func(ts *testscript.TestScript, _ bool, args []string) { changeHalo(ts, in, args) },
					"worker-up":    func(ts *testscript.TestScript, _ bool, _ []string) { workerUp(ts, in) },
				},
			})
		})
	}
}

// The command exits runs a program and checks the program's exit code. Example: exits 2
// enqueue import.
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

// awaitStdout runs a program repeatedly until its output matches: await-stdout
// REGEXP PROGRAM ARGS...
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

// The command grab stores a part of the last output in a variable. The regular expression
// has one group: grab ID '"id": "(.*)"'.
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

// changeHalo changes the simulated Halo:
//
//	halo seed 250            realistic clients
//	halo add 12 Acme Ltd     one client
//	halo deactivate 12
//	halo activate 12
//	halo rename 12 Acme Limited
//	halo delete 12
//	halo purge 100           the first hundred clients, except "Unknown"
//	halo rights none|all     of the application's agent
//	halo secret NEW          of the application
//	halo revoke              its tokens
func changeHalo(ts *testscript.TestScript, in *installation.Installation, args []string) {
	number := func(i int) int64 {
		n, err := strconv.ParseInt(args[i], 10, 64)
		ts.Check(err)
		return n
	}
	switch args[0] {
	case "seed":
		in.Tenant.Seed(int(number(1)), 7)
	case "add":
		in.Tenant.Add(halotest.Client{ID: number(1), Name: strings.Join(args[2:], " ")})
	case "deactivate":
		in.Tenant.Deactivate(number(1))
	case "activate":
		in.Tenant.Activate(number(1))
	case "rename":
		in.Tenant.Rename(number(1), strings.Join(args[2:], " "))
	case "delete":
		in.Tenant.Delete(number(1))
	case "purge":
		for _, id := range in.Tenant.IDs()[1:number(1)] {
			in.Tenant.Delete(id)
		}
	case "rights":
		if args[1] == "none" {
			in.App.Rights(halotest.ReadNone)
		} else {
			in.App.Rights(halotest.ReadAll)
		}
	case "secret":
		in.App.SetSecret(args[1])
	case "revoke":
		in.App.Revoke()
	default:
		ts.Fatalf("halo %s is unknown", args[0])
	}
}

// webPage starts a server that answers every request with a web page. A
// mistyped address may lead to such a server.
func webPage(t *testing.T) string {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!DOCTYPE html><title>Welcome</title>")
	}))
	t.Cleanup(page.Close)
	return page.URL
}

// workerUp starts a worker that runs until the end of the script.
func workerUp(ts *testscript.TestScript, in *installation.Installation) {
	w := in.StartWorkerWith(ts.Getenv("HALOSYNC_KEYSET"))
	ts.Defer(func() { w.Stop(in.T) })
}

// scriptLog adds a script's log, which contains all output, to the search for
// secrets.
type scriptLog struct {
	*testing.T
	in *installation.Installation
}

// The expression given matches the parts of a log that may contain secrets, because the
// test set these secrets or a command prints them by design.
var given = regexp.MustCompile(`(?m)^(SECRET|DATABASE_URL|CLI_URL|WORKER_URL|OWNER_URL|REDIS_URL|HALOSYNC_KEYSET|HALO_CLIENT_SECRET)=.*$|hsk1:[\w-]+|hs_[0-9a-f]{32}_[A-Z2-7]{52}`)

// Log receives the output of all programs in a script, in one call.
func (l scriptLog) Log(args ...any) {
	l.in.Keep("outputs and errors", given.ReplaceAllString(fmt.Sprint(args...), ""))
	l.T.Log(args...)
}

// Run runs a script as a subtest.
func (l scriptLog) Run(name string, f func(testscript.T)) {
	l.T.Run(name, func(t *testing.T) { f(scriptLog{t, l.in}) })
}

// Verbose makes testscript keep the output of successful commands in the log.
func (l scriptLog) Verbose() bool { return true }
