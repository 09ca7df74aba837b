package worker

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
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

// Usage errors and an invalid environment end with exit code 2 and report all faults on
// standard error.
func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"an argument": {"frob"}, "a flag": {"--colour"}, "a value": {"--only", "queue"}, "no environment": {},
		"no environment to migrate": {"migrate"}, "a format": {"doctor", "-o", "xml"},
	} {
		var out, errs bytes.Buffer
		p := &program{version: "dev", getenv: func(string) string { return "" }, out: &out, err: &errs}
		if code := p.run(t.Context(), args); code != 2 || out.Len() > 0 || errs.Len() == 0 {
			t.Errorf("%s: exit code %d, output %q, errors %q", name, code, out.String(), errs.String())
		}
	}
}
