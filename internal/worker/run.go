// Package worker is the program that executes runs. It takes tasks from the queue, runs
// scheduled jobs, and serves the console, the API and the operations pages. Other
// commands of the program migrate the schema and check an installation.
package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/config"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/setup"
	"github.com/halosync/halosync/internal/stdout"
	"github.com/halosync/halosync/repo/schema"
)

// program is one invocation of the worker program.
type program struct {
	version string
	getenv  func(string) string
	out     *stdout.Writer // receives results
	err     io.Writer      // receives the log
	started bool           // the command line was valid
}

// Main executes the command line of this process and returns the exit code: 0 for
// success, 1 for failure, 2 for a usage error or an invalid environment.
func Main(version string) int {
	stdout.KeepOnBrokenPipe()
	p := &program{version: setup.Version(version), getenv: os.Getenv, out: stdout.New(os.Stdout), err: os.Stderr}
	return p.run(context.Background(), os.Args[1:])
}

// Command returns the command line, from which the documentation is generated.
func Command(version string) *cobra.Command {
	return (&program{version: version, getenv: func(string) string { return "" }, out: stdout.New(io.Discard), err: io.Discard}).command()
}

func (p *program) run(ctx context.Context, args []string) int {
	root := p.command()
	root.SetArgs(twoDashes(args))
	err := root.ExecuteContext(ctx)
	lost := p.out.Close()
	if err = errors.Join(err, lost); err == nil {
		return 0
	}
	fmt.Fprintln(p.err, "worker:", plaintext.PrintableLines(err.Error()))
	if lost != nil {
		return 1
	}
	var faults *config.FaultsError
	var usage *engine.UsageError
	if !p.started || errors.As(err, &faults) || errors.As(err, &usage) {
		return 2
	}
	return 1
}

// twoDashes replaces -only with --only, because programs that use package flag accept a
// single dash.
func twoDashes(args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		if arg == "-only" || strings.HasPrefix(arg, "-only=") {
			args[i] = "-" + arg
		}
	}
	return args
}

func (p *program) command() *cobra.Command {
	var only string
	root := &cobra.Command{
		Use:   "worker",
		Short: "Execute runs until a signal arrives",
		Long: `worker takes tasks from the queue until SIGTERM or SIGINT. Then it takes no more
tasks, finishes the current pages, returns the rest to the queue and exits within
20 s. A second signal ends it at once. The environment configures it: see the README.
The same process serves the console and the API; "worker --only http" does only that.`,
		Example: "  worker migrate && worker\n  worker --only http",
		Version: p.version, Args: cobra.NoArgs,
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("only") && only != "http" {
				return fmt.Errorf("--only %q: want http", only)
			}
			p.started = true
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			return p.work(ctx, only == "http")
		},
	}
	root.Flags().StringVar(&only, "only", "", `"http": serve the console and the API only, without tasks and resyncs`)
	root.AddCommand(p.migrateCommand(), p.probeCommand(), p.doctorCommand())
	root.SetOut(p.out)
	root.SetErr(p.err)
	return root
}

// untilSignal returns a context that ends at the first SIGTERM or SIGINT. A second
// signal ends the process immediately.
func untilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
			signal.Stop(signals)
			return
		}
		<-signals
		os.Exit(1)
	}()
	return ctx, cancel
}

func (p *program) migrateCommand() *cobra.Command {
	var worker, cli string
	cmd := &cobra.Command{
		Use: "migrate", Short: "Migrate the database schema to this version", Args: cobra.NoArgs,
		Long: `migrate applies the pending migrations and then grants the roles their rights. Each
role gets the rights that its program needs, and no others. Only the role of the CLI can
create and revoke API keys; only the owner of the tables can create keys of the scope ops.`,
		Example: "  worker migrate\n  worker migrate --grant-to halosync_worker --grant-cli-to halosync_cli",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.started = true
			return p.migrate(cmd.Context(), worker, cli)
		},
	}
	cmd.Flags().StringVar(&worker, "grant-to", "", "grant this existing role the rights that a worker needs, and no others")
	cmd.Flags().StringVar(&cli, "grant-cli-to", "", "grant this existing role the rights that the CLI needs, and no others")
	return cmd
}

// migrate migrates the schema. It also grants the roles whose names are not empty the
// rights of their programs. Several processes may migrate at the same time.
func (p *program) migrate(ctx context.Context, worker, cli string) error {
	if worker != "" && worker == cli {
		return &engine.UsageError{Reason: "--grant-to and --grant-cli-to name the same role: give each program its own role"}
	}
	cfg, err := setup.Read(p.getenv, config.DatabaseURL)
	if err != nil {
		return err
	}
	result, err := schema.MigrateWith(ctx, cfg.DatabaseURL.Reveal(), cfg.Keys)
	if err != nil {
		return err
	}
	if result.From == result.To {
		fmt.Fprintf(p.err, "schema is already at version %d\n", result.To)
	} else {
		fmt.Fprintf(p.err, "schema migrated from version %d to %d\n", result.From, result.To)
	}
	if result.Sealed > 0 {
		fmt.Fprintf(p.err, "%s resealed: stored credentials now open only for their addresses; later migrations do not need HALOSYNC_KEYSET\n",
			plaintext.Plural(result.Sealed, "credential", "credentials"))
	}
	for _, id := range result.Unreadable {
		fmt.Fprintf(p.err, "connection %s has credentials that do not open: enter them again\n", id)
	}
	for _, to := range []struct {
		role, who string
		program   schema.Program
	}{{worker, "a worker", schema.Worker}, {cli, "the CLI", schema.CLI}} {
		if to.role == "" {
			continue
		}
		if err := schema.Grant(ctx, cfg.DatabaseURL.Reveal(), to.role, to.program); err != nil {
			return err
		}
		fmt.Fprintf(p.err, "%s has the rights that %s needs\n", to.role, to.who)
	}
	return nil
}
