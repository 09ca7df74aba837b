package cli

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
)

// fullDisk is a file on a disk without free space.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
}

// TestLostHelpIsAFailure requests the help of every command. The end-to-end
// test TestLostOutputIsAFailure executes the commands.
func TestLostHelpIsAFailure(t *testing.T) {
	t.Parallel()
	commands := [][]string{
		{"--version"}, {"help"}, {"help", "map"}, {"keyset", "new"}, {"__complete", "map", ""},
		{"completion", "bash"}, {"completion", "zsh"}, {"completion", "fish"}, {"completion", "powershell"},
	}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		commands = append(commands, append(strings.Fields(cmd.CommandPath())[1:], "--help"))
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(Command("dev"))
	if len(commands) < 45 {
		t.Errorf("only %d commands", len(commands))
	}
	for _, args := range commands {
		var errs bytes.Buffer
		code := Run(t.Context(), "dev", args, func(string) string { return "" }, Streams{Out: fullDisk{}, Err: &errs})
		if code != exitFailed || !strings.Contains(errs.String(), "enqueue: cannot write to standard output: no space left on device\n") {
			t.Errorf("enqueue %v: exit code %d, errors %q", args, code, errs.String())
		}
	}
}
