package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/repo/repotest"
)

// silent lists the commands that print nothing to standard output.
var silent = []string{"connection remove"}

// TestLostOutputIsAFailure executes every command with a full disk behind standard output.
// Each must fail and say why, even though its work is done.
func TestLostOutputIsAFailure(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	in := installation.New(t)
	in.Tenant.Add(halotest.Client{ID: 11, Name: "Bakery Brown"})
	in.Tenant.Add(halotest.Client{ID: 12, Name: "Bakery White"})
	in.Connect()
	in.StartWorker()
	run := in.ImportAll().ID
	mapping := installation.Decode[[]struct{ ID string }](t, in.Must("mappings", "-o", "json"))[0].ID
	hold := func() string {
		return repotest.Value[string](t, in.DB, `
			insert into halosync.runs (id, tenant, kind, connection_id, request_key, state, finished_at)
			select gen_random_uuid(), tenant, 'resync', connection_id, gen_random_uuid()::text, 'held', now() from halosync.runs limit 1
			returning replace(id::text, '-', '')`)
	}

	commands := map[string][]string{
		"apikey list":       nil,
		"apikey new":        {"lost", "--scope", "read"},
		"apikey revoke":     {"kept"},
		"clients":           {"--connection", "halo"},
		"companies add":     {"Company"},
		"companies list":    nil,
		"connection add":    in.AddCommand("second")[2:],
		"connection list":   nil,
		"connection pause":  {"halo"},
		"connection remove": {"halo", "--yes"},
		"connection resume": {"halo"},
		"connection show":   {"halo"},
		"connection test":   {"halo"},
		"connection update": {"halo", "--name", "halo"},
		"events":            nil,
		"import":            {"--connection", "halo", "--all", "--wait"},
		"keyset new":        nil,
		"keyset prune":      nil,
		"keyset rotate":     nil,
		"keyset status":     nil,
		"map":               {"--connection", "halo", "Bakery Brown=11", "--wait"},
		"mappings":          nil,
		"restore":           {mapping},
		"resync":            {"--connection", "halo", "--wait"},
		"runs approve":      {"HELD"},
		"runs cancel":       {run},
		"runs list":         nil,
		"runs retry":        {run, "--wait"},
		"runs show":         {run},
		"runs undo":         {run},
		"runs watch":        {run},
		"schedule clear":    {"--connection", "halo"},
		"schedule list":     nil,
		"schedule set":      {"--connection", "halo", "30 4 * * *"},
		"security":          nil,
		"session end":       {"--all"},
		"session list":      nil,
		"suggest":           {"--connection", "halo"},
		"unmap":             {mapping},
	}
	in.Must("apikey", "new", "kept", "--scope", "read")
	all := installation.Commands(t)
	if len(all) < len(commands) {
		t.Errorf("%d commands, %d in the table", len(all), len(commands))
	}
	last := func(name string) int { // these commands remove things that the others need
		return slices.Index([]string{"runs undo", "connection remove"}, name)
	}
	slices.SortStableFunc(all, func(a, b string) int { return last(a) - last(b) })
	for _, name := range all {
		args, ok := commands[name]
		if !ok {
			t.Errorf("enqueue %s is not in the table", name)
			continue
		}
		formats := []string{"table"}
		if name == "clients" || name == "mappings" || name == "runs show" { // these use all functions that print
			formats = append(formats, "json", "csv")
		}
		for _, format := range formats {
			line := append(append(strings.Fields(name), args...), "-o", format)
			if i := slices.Index(line, "HELD"); i >= 0 {
				line[i] = hold()
			}
			errs, code := intoFullDisk(t, in, line)
			if slices.Contains(silent, name) {
				if code != 0 {
					t.Errorf("enqueue %v: exit code %d, errors %q", line, code, errs)
				}
				continue
			}
			if code != 1 || !strings.Contains(errs, "cannot write to standard output: no space left on device") {
				t.Errorf("enqueue %v: exit code %d, errors %q", line, code, errs)
			}
		}
	}
	for _, line := range [][]string{{"worker", "doctor"}, {"worker", "doctor", "-o", "json"}, {"worker", "--help"}} {
		errs, code := intoFullDisk(t, in, line[1:], line[0])
		if code != 1 || !strings.Contains(errs, "cannot write to standard output") {
			t.Errorf("%v: exit code %d, errors %q", line, code, errs)
		}
	}
}

// intoFullDisk runs a command whose output cannot be written, and returns its errors and
// exit code. The default program is enqueue.
func intoFullDisk(t *testing.T, in *installation.Installation, args []string, program ...string) (errs string, code int) {
	t.Helper()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	return into(t, in, full, args, program...)
}

// into runs a command with a file as its standard output.
func into(t *testing.T, in *installation.Installation, out *os.File, args []string, program ...string) (errs string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), installation.Program(t, append(program, "enqueue")[0]), args...)
	cmd.Env = append(os.Environ(), in.Environ()...)
	cmd.Stdin = strings.NewReader(in.Secrets.Client)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &text
	_ = cmd.Run() // the exit code is returned
	return text.String(), cmd.ProcessState.ExitCode()
}

// TestSecretsThatWereNotShownAreNotValid creates secrets while no one can read the output:
// the disk is full, the pipe is broken, or standard output is closed.
func TestSecretsThatWereNotShownAreNotValid(t *testing.T) {
	t.Parallel()
	in := installation.New(t)
	broken := func() *os.File {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		return w
	}
	full := func() *os.File {
		f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip("this system has no /dev/full")
		}
		return f
	}
	for name, tc := range map[string]struct {
		out  func() *os.File
		want string
	}{
		"full disk":   {full, `key "full disk" was revoked because it could not be shown: cannot write to standard output: no space left on device`},
		"broken pipe": {broken, `key "broken pipe" was revoked because it could not be shown: cannot write to standard output: broken pipe`},
	} {
		for _, format := range []string{"table", "json", "csv"} {
			out := tc.out()
			errs, code := into(t, in, out, []string{"apikey", "new", name, "--scope", "admin", "-o", format})
			_ = out.Close()
			if code != 1 || !strings.Contains(errs, tc.want) || strings.Contains(errs, "hs_") {
				t.Errorf("%s, %s: exit code %d, errors %q", name, format, code, errs)
			}
		}
	}
	if n := repotest.Value[int](t, in.DB, `select count(*) from halosync.api_keys where revoked_at is null`); n != 0 {
		t.Errorf("%d keys are valid although they were not shown", n)
	}
	before := repotest.Value[int](t, in.DB, `select count(*) from halosync.api_keys`)
	for _, line := range []string{"apikey new closed --scope admin >&-", "apikey new closed --scope admin -o json >/dev/null", "keyset new >&-", "keyset rotate >&-", "keyset rotate --stage >&-", "keyset prune >&-"} {
		text, err := in.Shell(t.TempDir(), "enqueue "+line)
		if err == nil || !strings.Contains(text, "standard output is closed or /dev/null, but this is shown only once: redirect it to a file") {
			t.Errorf("%s: %v, %q", line, err, text)
		}
	}
	if n := repotest.Value[int](t, in.DB, `select count(*) from halosync.api_keys`); n != before {
		t.Errorf("%d keys were created with a closed output", n-before)
	}
	if text, err := in.Shell(t.TempDir(), "enqueue keyset rotate >/dev/full"); err == nil || !strings.Contains(text, "no space left on device") {
		t.Errorf("a key set on a full disk: %v, %q", err, text)
	}
	// If the program that reads the output ends early, the command does not end silently.
	if text, err := in.Shell(t.TempDir(), "(sleep 1; enqueue companies list; echo exit code $? >&2) | true"); err != nil || !strings.Contains(text, "broken pipe") || !strings.Contains(text, "exit code 1") {
		t.Errorf("a broken pipe: %v, %q", err, text)
	}
}
