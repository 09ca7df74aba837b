// Bench measures the cost of an import, a second import and a resync. For
// comparison, it measures floors and plain alternatives on the same machine in
// the same run. It starts private servers, runs the worker as a separate
// process and simulates Halo PSA in this process. It removes all its files at
// the end. "make bench" runs it in the repository's root, because devstack
// keeps a prepared Postgres cluster there.
package main

import (
	"bytes"
	"context"
	_ "embed" // the preface
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if len(os.Args) > 1 && os.Args[1] == "child" {
		err = child(ctx, os.Args[2:], os.Stdin, os.Stdout)
	} else {
		err = run(ctx, os.Args[1:], os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options holds the settings from the command line.
type options struct {
	bin     string
	rounds  int
	clients int
	only    *regexp.Regexp
	out     string // output file; "": none
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	bin := flags.String("bin", "bin", "folder with the programs worker and enqueue")
	only := flags.String("only", "", "regular expression that selects the parts to run; default: all")
	flags.StringVar(&o.out, "out", "", "file that receives the figures and an explanation; default: none")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds of each comparison after one warm-up round; 0 counts the warm-up round instead, for a trial")
	flags.IntVar(&o.clients, "clients", 100_000, "clients of the simulated Halo PSA; other sizes are derived from it")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.rounds < 0 || o.clients < 1 {
		return o, fmt.Errorf("-rounds %d -clients %d: must be at least 0 and 1, respectively", o.rounds, o.clients)
	}
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	o.bin, err = filepath.Abs(*bin)
	return o, err
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	var figures bytes.Buffer
	if err := measure(ctx, o, io.MultiWriter(out, &figures)); err != nil {
		return err
	}
	if o.out == "" {
		return nil
	}
	// The file is written last, so that a failed run keeps the previous
	// document.
	return os.WriteFile(o.out, append([]byte(preface), figures.Bytes()...), 0o644) //nolint:gosec // a public document
}

// preface is the beginning of the document.
//
//go:embed preface.md
var preface string

// measure runs the selected parts.
func measure(ctx context.Context, o options, out io.Writer) (err error) {
	b, err := newBench(ctx, o.bin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()

	r := &report{out: out}
	if err := r.machine(ctx, b); err != nil {
		return err
	}
	r.line("Taken on %s. Clients, unless a table says otherwise: %d; rounds: %d.", time.Now().Format("2 January 2006"), o.clients, max(o.rounds, 1))
	for _, p := range parts() {
		if !o.only.MatchString(p.name) {
			continue
		}
		if err := p.run(ctx, b, o, r); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return r.err
}

// part is a group of related figures.
type part struct {
	name string
	run  func(context.Context, *bench, options, *report) error
}

func parts() []part {
	return []part{
		{"import", benchImport},
		{"latency", benchLatency},
		{"budget", benchBudget},
		{"unchanged", benchUnchanged},
		{"memory", benchMemory},
		{"night", benchNight},
		{"enqueue", benchEnqueue},
		{"sqlenqueue", benchSQLEnqueue},
		{"idle", benchIdle},
	}
}
