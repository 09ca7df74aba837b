// Package cli is the command line of halosync. It manages connections, companies,
// imports, mappings and runs. Each command checks its flags, calls a use case of package
// engine and prints a table, JSON or CSV.
//
// It has more than 2,500 lines: each command has its own file, and no other package needs
// any of the code.
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
	_ "time/tzdata" // schedules have time zones, and not every machine has the time zone database

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/term"

	"github.com/halosync/halosync/internal/config"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/internal/setup"
	"github.com/halosync/halosync/internal/stdout"
	"github.com/halosync/halosync/tasks"
)

// Exit codes. They never change, because scripts depend on them.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitPerson = 3 // the command finished, but something needs a person's attention
)

// Streams contains the program's input and outputs.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// app is one invocation of the program.
type app struct {
	In      io.Reader
	Out     *stdout.Writer
	Err     io.Writer
	version string
	getenv  func(string) string
	tenant  string // --tenant
	format  string // -o
	width   int    // width of the terminal at Out; 0 if Out is not a terminal

	command string // path of the command, such as "enqueue runs show"
	shared  bool   // all users may read files with secrets
	started bool   // the command line is valid

	file fileInput // what --file contained
}

// Main executes the command line of this process and returns its exit code.
// SIGINT and SIGTERM end the command, but not the run for which the command is waiting.
func Main(version string) int {
	tasks.LogRedis(zap.NewNop().Sugar()) // the command's error contains the reason
	stdout.KeepOnBrokenPipe()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Run(ctx, setup.Version(version), os.Args[1:], os.Getenv, Streams{os.Stdin, os.Stdout, os.Stderr})
}

// Command returns the command line, for generating its documentation.
func Command(version string) *cobra.Command {
	return (&app{Out: stdout.New(io.Discard), version: version, getenv: func(string) string { return "" }}).root()
}

// Run executes a command line and returns the exit code. It reports each error once, on
// standard error. Output that could not be written is an error. Run closes s.Out if it is a
// file.
func Run(ctx context.Context, version string, args []string, getenv func(string) string, s Streams) int {
	a := &app{In: s.In, Out: stdout.New(s.Out), Err: s.Err, version: version, getenv: getenv, width: terminalWidth(s.Out)}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	lost := a.Out.Close()
	if err != nil {
		fmt.Fprintln(s.Err, "enqueue: "+plaintext.PrintableLines(message(err)))
	}
	if lost != nil && !errors.Is(err, lost) {
		fmt.Fprintln(s.Err, "enqueue: "+lost.Error())
	}
	var person *needsPersonError
	switch {
	case lost != nil:
		return exitFailed
	case err == nil:
		return exitDone
	case errors.As(err, &person):
		return exitPerson
	case !a.usage(err):
		return exitFailed
	case !a.started:
		fmt.Fprintln(s.Err, `For help, type "enqueue --help", or --help after a command.`)
	}
	return exitUsage
}

// message returns the message of an error, followed by the advice of package problem if
// there is any.
func message(err error) string {
	text := err.Error()
	switch p := problem.Of(err); {
	case p.Code == problem.Internal, p.Advice == "", errors.Is(err, context.Canceled):
		return text
	default:
		return text + "; " + p.Advice
	}
}

// usage reports whether an error means wrong usage. It returns true for any error before a
// command starts, for a [*engine.UsageError], and for a fault in the environment.
func (a *app) usage(err error) bool {
	var usage *engine.UsageError
	var faults *config.FaultsError
	return !a.started || errors.As(err, &usage) || errors.As(err, &faults)
}

// needsPersonError means that a command finished but something needs a person's attention.
type needsPersonError struct{ what string }

func (e *needsPersonError) Error() string { return e.what }

// usagef returns a usage error that only a started command can detect.
func usagef(format string, args ...any) error {
	return &engine.UsageError{Reason: fmt.Sprintf(format, args...)}
}

// do returns the RunE function of a command. The function records that the command line is
// valid and calls f.
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
		Long: `enqueue manages the companies of one tenant: it connects Halo PSA instances, browses
their clients, requests imports, mappings and resyncs, and shows the results.
Workers execute the requests; --wait waits until they have finished.

Data goes to standard output, everything else to standard error. Exit codes: 0 done,
1 failed, 2 wrong usage, 3 finished, but something needs a person's attention. Output that could
not be written is a failure, also of a command that has done its work.`,
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
	flags.StringVar(&a.tenant, "tenant", a.getenv("HALOSYNC_TENANT"), "the tenant (MSP); default $HALOSYNC_TENANT")
	flags.StringVarP(&a.format, "output", "o", "table", "output format: table, json or csv")
	root.AddCommand(
		a.connectionCommand(), a.clientsCommand(), a.companiesCommand(),
		a.importCommand(), a.resyncCommand(), a.scheduleCommand(),
		a.mapCommand(), a.suggestCommand(), a.mappingsCommand(), a.unmapCommand(), a.restoreCommand(),
		a.eventsCommand(), a.runsCommand(), a.keysetCommand(), a.apikeyCommand(),
		a.sessionCommand(), a.securityCommand(),
	)
	for _, cmd := range root.Commands() {
		strict(cmd)
	}
	return root
}

// strict makes command groups refuse an unknown command. By default, cobra prints the help
// and succeeds.
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

// needTenant returns the tenant, or a usage error if no tenant is set.
func (a *app) needTenant() (string, error) {
	if strings.TrimSpace(a.tenant) == "" {
		return "", usagef("no tenant: give --tenant or set HALOSYNC_TENANT")
	}
	return a.tenant, nil
}

// actor returns the actor to record in the events of this invocation.
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
