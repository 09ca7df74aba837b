package installation

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/devstack"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// Enqueue runs the CLI and returns its output and exit code. The client secret
// is on the CLI's standard input.
func (in *Installation) Enqueue(args ...string) (stdout, stderr string, code int) {
	in.T.Helper()
	program := Program(in.T, "enqueue") // built before the timeout starts
	// A command with --wait takes as long as its run.
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), in.Environ()...)
	cmd.Stdin = strings.NewReader(in.Secrets.Client)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		in.T.Fatal(err)
	}
	in.evidence.addCommandLine(cmd.Process.Pid)
	_ = cmd.Wait()                                                    // the exit code is returned
	if len(args) == 0 || args[0] != "keyset" && args[0] != "apikey" { // these commands print a secret by design
		in.evidence.add("outputs and errors", out.String())
	}
	in.evidence.add("outputs and errors", errs.String())
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// Must runs the CLI and returns its output. The test fails unless the exit code
// is 0.
func (in *Installation) Must(args ...string) string {
	in.T.Helper()
	out, errs, code := in.Enqueue(args...)
	if code != 0 {
		in.T.Fatalf("enqueue %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// Work runs a command of the worker, such as "doctor", and returns its output.
// The test fails if the exit code differs from the argument code.
func (in *Installation) Work(code int, args ...string) string {
	in.T.Helper()
	program := Program(in.T, "worker") // built before the timeout starts
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), in.Environ()...)
	text, _ := cmd.CombinedOutput() // the exit code is checked below
	if got := cmd.ProcessState.ExitCode(); got != code {
		in.T.Errorf("worker %v: exit code %d, want %d\n%s", args, got, code, text)
	}
	in.evidence.add("outputs and errors", string(text))
	return string(text)
}

// Shell runs a command line with /bin/sh in a folder. It uses the environment of a worker,
// with the programs' folder in PATH.
func (in *Installation) Shell(dir, line string) (string, error) {
	cmd := exec.CommandContext(in.T.Context(), "/bin/sh", "-c", line)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), in.Environ()...), "PATH="+filepath.Dir(Program(in.T, "enqueue"))+":"+os.Getenv("PATH"))
	text, err := cmd.CombinedOutput()
	in.evidence.add("outputs and errors", string(text))
	return string(text), err
}

// AddCommand returns the arguments of the command that adds a connection. That
// command reads the secret from standard input.
func (in *Installation) AddCommand(name string) []string {
	return []string{
		"connection", "add", name, "--domain", in.Halo.ResourceServer(), "--auth-server", in.Halo.AuthServer(),
		"--client-id", ClientID, "--client-secret-file", "-",
	}
}

// Connect adds the connection "halo" with the CLI.
func (in *Installation) Connect() {
	in.T.Helper()
	in.Must(in.AddCommand("halo")...)
}

// AddConnection adds a connection to the installation's Halo. It does not use
// the CLI, which would be too slow for many connections.
func (in *Installation) AddConnection(store *repo.Store, tenant, name, haloTenant string) repo.Connection {
	in.T.Helper()
	conn, err := store.AddConnection(in.T.Context(), tenant, "test", repo.NewConnection{
		Name: name, Domain: in.Halo.ResourceServer(), AuthServer: in.Halo.AuthServer(), HaloTenant: haloTenant,
		ClientID: ClientID, Secret: in.secret(),
	})
	if err != nil {
		in.T.Fatal(err)
	}
	return conn
}

// Run is the part of a run's JSON that tests use.
type Run struct {
	ID, State, Error                                                                           string
	Pages, Records, Created, Linked, Unchanged, Refreshed, Skipped, Ambiguous, Failed, Attempt int
	RecordsTotal                                                                               int `json:"records_total"`
	Complete                                                                                   bool
}

// Ended reports whether the run is neither queued nor running.
func (r Run) Ended() bool { return r.State != "queued" && r.State != "running" }

// Run reads a run with the CLI.
func (in *Installation) Run(id string) Run {
	in.T.Helper()
	return Decode[Run](in.T, in.Must("runs", "show", id, "-o", "json"))
}

// AwaitRun waits until a run has ended according to the ledger. It then reads
// the run with the CLI.
func (in *Installation) AwaitRun(id string) Run {
	in.T.Helper()
	in.Eventually("run "+id+" has ended", func() bool {
		return repotest.Value[bool](in.T, in.DB, `select finished_at is not null from halosync.runs where id = $1`, uuid.MustParse(id))
	})
	return in.Run(id)
}

// Request requests a run on the connection "halo" with the CLI and returns the
// run's id. The parameter args holds the command's arguments, such as "import", "--all".
func (in *Installation) Request(args ...string) string {
	in.T.Helper()
	args = slices.Insert(slices.Clone(args), 1, "--connection", "halo")
	return Decode[Run](in.T, in.Must(append(args, "-o", "json")...)).ID
}

// ImportAll imports all clients with the CLI, waits for the import to finish
// and returns the run. It accepts exit codes 0 and 3.
func (in *Installation) ImportAll() Run {
	in.T.Helper()
	out, errs, code := in.Enqueue("import", "--connection", "halo", "--all", "--wait", "-o", "json")
	if code != 0 && code != 3 {
		in.T.Fatalf("import: exit code %d\n%s%s", code, out, errs)
	}
	return Decode[Run](in.T, out)
}

// Pages returns the number of pages that a run has written, according to the
// ledger.
func (in *Installation) Pages(run string) int {
	in.T.Helper()
	return repotest.Value[int](in.T, in.DB, `select pages from halosync.runs where id = $1`, uuid.MustParse(run))
}

// Unfinished returns the number of runs that have not ended.
func (in *Installation) Unfinished() int {
	in.T.Helper()
	return repotest.Value[int](in.T, in.DB, `select count(*) from halosync.runs where finished_at is null`)
}

// Decode decodes a JSON document. The test fails if text is not valid.
func Decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// Commands returns the commands listed in the CLI's help. The words of a
// command are separated by spaces.
func Commands(t *testing.T, path ...string) []string {
	t.Helper()
	out, err := exec.Command(Program(t, "enqueue"), append(slices.Clone(path), "--help")...).Output()
	if err != nil {
		t.Fatalf("%v --help: %v", path, err)
	}
	_, text, ok := strings.Cut(string(out), "Available Commands:\n")
	if !ok {
		return []string{strings.Join(path, " ")}
	}
	text, _, _ = strings.Cut(text, "\n\n")
	var all []string
	for line := range strings.Lines(text) {
		if name := strings.Fields(line)[0]; name != "help" && name != "completion" {
			all = append(all, Commands(t, append(slices.Clone(path), name)...)...)
		}
	}
	return all
}

// RootPath returns the full path to a file in the repository. The path is
// relative to the root.
func RootPath(t testing.TB, path string) string {
	t.Helper()
	root, err := devstack.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, path)
}

// ReadFile returns the text of a file in the repository. The path is relative
// to the root.
func ReadFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(RootPath(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
