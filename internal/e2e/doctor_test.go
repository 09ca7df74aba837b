package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo/repotest"
)

type examination struct {
	Findings         []struct{ Area, Status, Subject, What, Do string }
	Faults, Warnings int
}

// doctor runs "worker doctor" with additional environment variables.
func doctor(in *installation.Installation, vars ...string) (found examination, text string, code int) {
	in.T.Helper()
	var said string
	run := func(args ...string) (string, int) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, installation.Program(in.T, "worker"), append([]string{"doctor"}, args...)...)
		cmd.Env = append(append(os.Environ(), in.Environ()...), vars...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run() // the exit code is checked below
		in.Keep("outputs and errors", out.String()+errs.String())
		said = errs.String()
		return out.String(), cmd.ProcessState.ExitCode()
	}
	text, code = run("-o", "json")
	found = installation.Decode[examination](in.T, text)
	if want := "worker: doctor: " + plaintext.Plural(found.Faults, "fault", "faults") + "\n"; code == 1 && said != want {
		in.T.Errorf("the error is %q, want %q", said, want)
	}
	if len(vars) == 0 { // also check the table that people read
		table, again := run()
		if again != code {
			in.T.Errorf("exit codes %d and %d", code, again)
		}
		text += table
	}
	return found, text, code
}

// Each fault is reported with advice, and all other checks still run.
func TestDoctor(t *testing.T) {
	t.Parallel()
	in := installation.New(t, installation.Unlimited)
	in.Env = []string{"DATABASE_URL=" + installation.WithPassword(t, in.DB, "halosync_worker", in.Secrets.Postgres)}
	in.Tenant.Seed(3, 7)
	in.Connect()
	check := func(what string, wantCode int, area, status, says, do string, vars ...string) {
		t.Helper()
		found, text, code := doctor(in, vars...)
		if code != wantCode || code == 0 && found.Faults > 0 {
			t.Errorf("%s: exit code %d, want %d\n%s", what, code, wantCode, text)
		}
		for _, f := range found.Findings {
			if f.Area == area && f.Status == status && strings.Contains(f.Subject+": "+f.What, says) && strings.Contains(f.Do, do) {
				if table := text[strings.LastIndex(text, "}")+1:]; len(vars) == 0 && !strings.Contains(table, says) {
					t.Errorf("%s: the table does not contain %q:\n%s", what, says, table)
				}
				return
			}
		}
		t.Errorf("%s: no %s of %s contains %q and %q:\n%s", what, status, area, says, do, text)
	}
	check("sound", 0, "postgres", "ok", "is subject to row level security", "")
	check("sound", 0, "halo", "ok", "1 of 1 tested connection can", "")
	check("the tables' owner", 0, "postgres", "warning", "owns the tables", "docs/security.md", "DATABASE_URL="+in.DB)
	check("nothing set", 2, "environment", "fault", "HALOSYNC_KEYSET", "README", "HALOSYNC_KEYSET=", "REDIS_URL=")
	file := in.File("keyset", in.Secrets.Keyset)
	if err := os.Chmod(file, 0o646); err != nil {
		t.Fatal(err)
	}
	for setting, can := range map[string]string{"private": "may read and change it: run chmod go-w,o-r ", "shared": "may change it: run chmod go-w "} {
		check("a file of all users", 2, "environment", "fault", "HALOSYNC_KEYSET_FILE: "+file+" has mode 0646, so other users "+can, "README",
			"HALOSYNC_KEYSET=", "HALOSYNC_KEYSET_FILE="+file, "HALOSYNC_SECRET_FILES="+setting)
	}
	check("files that all users may read", 0, "environment", "ok", "all users may read the files with secrets", "", "HALOSYNC_SECRET_FILES=shared")
	check("a listener beyond loopback", 0, "environment", "warning", "other machines can reach the console and the API at :8080", "HALOSYNC_PUBLIC_URL", "HALOSYNC_HTTP_ADDR=:8080")
	if _, text, _ := doctor(in, "HALOSYNC_HTTP_ADDR=:8080", "HALOSYNC_PUBLIC_URL=https://halosync.example.com"); strings.Contains(text, "PUBLIC_URL") {
		t.Errorf("warning although the public address is set:\n%s", text)
	}
	check("Redis away", 1, "redis", "fault", "", "REDIS_URL", "REDIS_URL=redis://:"+in.Secrets.Redis+"@127.0.0.1:1")
	check("Postgres away", 1, "postgres", "fault", "", "DATABASE_URL", "DATABASE_URL=postgres://u:"+in.Secrets.Postgres+"@127.0.0.1:1/x")
	other, err := secret.New()
	if err != nil {
		t.Fatal(err)
	}
	in.KeepKeyset(other)
	check("another key set", 1, "keys", "fault", "1 credential is sealed with key", "HALOSYNC_KEYSET", "HALOSYNC_KEYSET="+other)

	in.App.SetSecret("another")
	in.App.Revoke()
	check("credentials refused", 1, "halo", "fault", "msp-1/halo: test of the connection (token)", "connection test")
	repotest.Exec(t, in.DB, `update halosync.connections set state = 'needs_reconnect'`)
	check("to be reconnected", 1, "halo", "fault", "msp-1/halo: Halo refused its credentials", "--client-secret-file")
	repotest.Exec(t, in.DB, `update halosync.connections set state = 'active'`)
	check("address not allowed", 1, "halo", "fault", "msp-1/halo: ", "HALOSYNC_ALLOW_HOSTS", "HALOSYNC_ALLOW_HOSTS=")
	repotest.Exec(t, in.DB, `update halosync.connections set auth_server = 'http://127.0.0.1:1/auth'`)
	check("address changed in Postgres", 1, "halo", "fault", "msp-1/halo: credentials of connection", "check both addresses")
	repotest.Exec(t, in.DB, `grant insert on halosync.api_keys to halosync_worker`)
	check("a right too many", 1, "postgres", "warning", "may insert on halosync.api_keys", "--grant-to halosync_worker")
	repotest.Exec(t, in.DB, `revoke insert on halosync.events from halosync_worker`)
	check("a right is missing", 1, "postgres", "fault", "insert on halosync.events", "--grant-to halosync_worker")
	repotest.Exec(t, in.DB, `delete from halosync.schema_versions where version_id = (select max(version_id) from halosync.schema_versions)`)
	check("old schema", 1, "postgres", "fault", "is older than this program's", "worker migrate")
}
