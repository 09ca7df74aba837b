package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command has help text and an example that starts with the command's
// name.
func TestHelpEverywhere(t *testing.T) {
	t.Parallel()
	seen := 0
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			return // cobra adds this command
		}
		seen++
		if cmd.Short == "" || !strings.Contains(cmd.Example, cmd.CommandPath()) && !strings.Contains(cmd.Example, "enqueue "+cmd.Name()) {
			t.Errorf("%s: %q, example %q", cmd.CommandPath(), cmd.Short, cmd.Example)
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(Command("dev"))
	if seen < 25 {
		t.Errorf("only %d commands", seen)
	}
}

// Errors must never be mistaken for data.
func TestErrorsGoToStandardError(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"import", "--colour"}, {"mappings"}, {"runs"}, {"frob"}} {
		var out, errs bytes.Buffer
		code := Run(t.Context(), "dev", args, func(string) string { return "" }, Streams{Out: &out, Err: &errs})
		if code != exitUsage || out.Len() > 0 || errs.Len() == 0 {
			t.Errorf("enqueue %v: exit code %d, output %q, errors %q", args, code, out.String(), errs.String())
		}
	}
}
