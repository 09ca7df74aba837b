package worker

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/config"
	"github.com/halosync/halosync/internal/stdout"
	"github.com/halosync/halosync/internal/telemetry"
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

// The probe chooses a listener that certainly belongs to this worker. Of two such
// listeners, it prefers the one that reports the reasons.
func TestProbedListener(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ http, metrics, want string }{
		{"127.0.0.1:8080", "", "127.0.0.1:8080"},
		{"127.0.0.1:8080", "off", "127.0.0.1:8080"},
		{":8080", ":8081", ":8081"},
		{"off", ":8081", ":8081"},
		{"off", "", config.DefaultMetricsAddr},
		{"off", "off", ""},
	} {
		got, err := probed(config.Config{HTTPAddr: c.http, MetricsAddr: c.metrics})
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}

// A worker starts even if another one occupies the default address of the metrics. It
// does not start if a configured address is occupied.
func TestMetricsListener(t *testing.T) {
	t.Parallel()
	ctx, log := t.Context(), zap.NewNop()
	first, err := listenForMetrics(ctx, "127.0.0.1:0", http.NotFoundHandler(), log)
	if err != nil || first == nil {
		t.Fatal(first, err)
	}
	defer func() { _ = first.Close(context.Background()) }()
	if l, err := listenForMetrics(ctx, first.Addr(), http.NotFoundHandler(), log); err == nil || l != nil {
		t.Errorf("an address that is taken: %v, %v", l, err)
	}
	if l, err := listenForMetrics(ctx, "off", http.NotFoundHandler(), log); err != nil || l != nil {
		t.Errorf("off: %v, %v", l, err)
	}
	var kept []*telemetry.Listener
	for range 2 { // at least the second one finds the default address taken
		l, err := listenForMetrics(ctx, "", http.NotFoundHandler(), log)
		if err != nil {
			t.Errorf("the default address: %v", err)
		}
		kept = append(kept, l)
	}
	if kept[1] != nil {
		t.Error("two listeners at the default address")
	}
	for _, l := range kept {
		if l != nil {
			_ = l.Close(context.Background())
		}
	}
}
