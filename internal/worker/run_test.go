package worker

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/stdout"
)

// Every command has help text and an example.
func TestHelpEverywhere(t *testing.T) {
	t.Parallel()
	root := Command("dev")
	for _, cmd := range append([]*cobra.Command{root}, root.Commands()...) {
		if name := cmd.Name(); name != "help" && name != "completion" && (cmd.Short == "" || !strings.Contains(cmd.Example, cmd.CommandPath())) {
			t.Errorf("%s: %q, example %q", cmd.CommandPath(), cmd.Short, cmd.Example)
		}
	}
}

// Output that could not be written is a failure.
func TestLostOutputIsAFailure(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--help"}, {"--version"}, {"help", "migrate"}, {"doctor", "--help"}, {"doctor"}, {"doctor", "-o", "json"},
		{"completion", "bash"}, {"completion", "zsh"}, {"completion", "fish"}, {"completion", "powershell"}, {"__complete", ""},
	} {
		var errs bytes.Buffer
		p := &program{version: "dev", getenv: func(string) string { return "" }, out: stdout.New(fullDisk{}), err: &errs}
		if code := p.run(t.Context(), args); code != 1 || !strings.Contains(errs.String(), "cannot write to standard output: no space left on device") {
			t.Errorf("worker %v: exit code %d, errors %q", args, code, errs.String())
		}
	}
}

// fullDisk is a file on a disk without free space.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
}

// Usage errors and an invalid environment end with exit code 2 and report all faults on
// standard error.
func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"an argument": {"frob"}, "a flag": {"--colour"}, "a value": {"--only", "queue"}, "no environment": {},
		"no environment to migrate": {"migrate"}, "a format": {"doctor", "-o", "xml"},
	} {
		var out, errs bytes.Buffer
		p := &program{version: "dev", getenv: func(string) string { return "" }, out: stdout.New(&out), err: &errs}
		if code := p.run(t.Context(), args); code != 2 || out.Len() > 0 || errs.Len() == 0 {
			t.Errorf("%s: exit code %d, output %q, errors %q", name, code, out.String(), errs.String())
		}
	}
}
