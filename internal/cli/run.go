// Package cli is the command line of halosync: connections, companies, imports,
// mappings and their runs. Each command checks its flags, calls a use case of package
// engine, and prints a table, JSON or CSV.
package cli

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
	_ "time/tzdata" // schedules name zones, which not every machine has

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/term"

	"github.com/halosync/halosync/internal/config"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/internal/setup"
	"github.com/halosync/halosync/tasks"
)

// Exit codes, as promised to scripts.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitPerson = 3 // finished, but something needs a person
)

// Streams are the program's input and outputs.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// app is one invocation.
type app struct {
	Streams
	version string
	getenv  func(string) string
	tenant  string // --tenant
	format  string // -o
	width   int    // of the terminal at Out, 0 if it is none

	command string // its path, such as "enqueue runs show"
	started bool   // the command line was understood
}

// Main executes the command line of this process and returns its exit code.
// SIGINT and SIGTERM end the command, not the run that it waits for.
func Main(version string) int {
	tasks.LogRedis(zap.NewNop().Sugar()) // the error that comes of it says enough
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Run(ctx, setup.Version(version), os.Args[1:], os.Getenv, Streams{os.Stdin, os.Stdout, os.Stderr})
}

// Command is the command line, for those who describe it.
func Command(version string) *cobra.Command {
	return (&app{version: version, getenv: func(string) string { return "" }}).root()
}

// Run executes a command line and returns the exit code. Each error is reported
// once, on standard error.
func Run(ctx context.Context, version string, args []string, getenv func(string) string, s Streams) int {
	a := &app{Streams: s, version: version, getenv: getenv, width: terminalWidth(s.Out)}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(s.Err, "enqueue: "+plaintext.PrintableLines(message(err)))
	var person *needsPersonError
	if errors.As(err, &person) {
		return exitPerson
	}
	if a.usage(err) {
		if !a.started {
			fmt.Fprintln(s.Err, `Type "enqueue --help", or --help after a command, for how to use it.`)
		}
		return exitUsage
	}
	return exitFailed
}

// message is an error with what to do about it. Most errors say that themselves.
func message(err error) string {
	text := err.Error()
	switch p := problem.Of(err); {
	case p.Code == problem.Internal, p.Advice == "", errors.Is(err, context.Canceled):
		return text
	default:
		return text + "; " + p.Advice
	}
}

// usage tells a wrong use from a failure: whatever happens before a command
// starts, and what the engine or the environment's reader call one.
func (a *app) usage(err error) bool {
	var usage *engine.UsageError
	var faults *config.FaultsError
	return !a.started || errors.As(err, &usage) || errors.As(err, &faults)
}

// needsPersonError ends a command that finished and left work for a person.
type needsPersonError struct{ what string }

func (e *needsPersonError) Error() string { return e.what }

// usagef is a wrong use that only shows once a command runs.
func usagef(format string, args ...any) error {
	return &engine.UsageError{Reason: fmt.Sprintf(format, args...)}
}

// do makes a command's body of f and notes that the command line was fine.
func (a *app) do(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if !slices.Contains([]string{"table", "json", "csv"}, a.format) {
			return fmt.Errorf("-o %s: want table, json or csv", a.format)
		}
		a.started, a.command = true, cmd.CommandPath()
		return f(cmd.Context(), args)
	}
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "enqueue",
		Short: "Import and map the companies of a Halo PSA",
		Long: `enqueue works on the companies of one tenant: it connects Halo PSA instances,
browses their clients, requests imports and shows what became of them.
The work itself is done by workers; --wait waits for them.

Data goes to standard output, everything else to standard error. Exit code 0:
done; 1: failed; 2: wrong usage; 3: finished, but something needs a person.`,
		Example: `  enqueue connection add "Acme Halo" --domain acme.halopsa.com --auth-server acme.halopsa.com --client-id 1f0c…
  enqueue clients --connection "Acme Halo" --search bakery
  enqueue import --connection "Acme Halo" --all --wait
  enqueue mappings`,
		Version:       a.version,
		SilenceErrors: true, SilenceUsage: true,
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	flags := root.PersistentFlags()
	flags.StringVar(&a.tenant, "tenant", a.getenv("HALOSYNC_TENANT"), "the tenant (MSP) to work for; default $HALOSYNC_TENANT")
	flags.StringVarP(&a.format, "output", "o", "table", "output: table, json or csv")
	root.AddCommand(
		a.connectionCommand(), a.clientsCommand(), a.companiesCommand(),
		a.importCommand(), a.resyncCommand(), a.scheduleCommand(), a.mapCommand(), a.suggestCommand(), a.mappingsCommand(), a.unmapCommand(), a.restoreCommand(), a.eventsCommand(), a.runsCommand(), a.keysetCommand(), a.apikeyCommand(),
	)
	for _, cmd := range root.Commands() {
		strict(cmd)
	}
	return root
}

// strict makes a group of commands refuse an unknown one, where cobra would
// print help and succeed.
func strict(cmd *cobra.Command) {
	if cmd.HasSubCommands() {
		cmd.Args = cobra.NoArgs
		cmd.RunE = func(cmd *cobra.Command, _ []string) error {
			return fmt.Errorf("%s needs a command: %s", cmd.CommandPath(), names(cmd.Commands()))
		}
	}
	for _, sub := range cmd.Commands() {
		strict(sub)
	}
}

func names(cmds []*cobra.Command) string {
	var all []string
	for _, c := range cmds {
		all = append(all, c.Name())
	}
	return strings.Join(all, ", ")
}

// needTenant returns the tenant, which nearly every command needs.
func (a *app) needTenant() (string, error) {
	if strings.TrimSpace(a.tenant) == "" {
		return "", usagef("no tenant: give --tenant or set HALOSYNC_TENANT")
	}
	return a.tenant, nil
}

// actor is who the events of this invocation are attributed to.
func (a *app) actor() string {
	for _, name := range []string{"HALOSYNC_ACTOR", "USER", "LOGNAME"} {
		if v := a.getenv(name); v != "" {
			return "cli:" + plaintext.Clean(v, 150)
		}
	}
	return "cli"
}

func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 80
	}
	return width
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
