// Bench measures what an import, a re-import and a resync cost, next to the
// floors of the same machine in the same run and next to plain alternatives.
// "make bench" runs it: private servers, the worker as its own process, and a
// simulated Halo PSA in this one. It leaves nothing behind.
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

// options are what the command line says.
type options struct {
	bin     string
	rounds  int
	clients int
	only    *regexp.Regexp
	out     string // file; "": none
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	bin := flags.String("bin", "bin", "folder with the worker and enqueue programs")
	only := flags.String("only", "", "regular expression of the parts to run; all by default")
	flags.StringVar(&o.out, "out", "", "file to write as well, as a document that explains the figures; none by default")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds of each comparison, after one to warm up; 0: that one alone, for a trial")
	flags.IntVar(&o.clients, "clients", 100_000, "clients of the simulated Halo PSA; the parts that need more or fewer scale with it")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.rounds < 0 || o.clients < 1 {
		return o, fmt.Errorf("-rounds %d -clients %d: want 0 and 1 at least", o.rounds, o.clients)
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
	// Only now, so that a run that failed leaves the former document alone.
	return os.WriteFile(o.out, append([]byte(preface), figures.Bytes()...), 0o644) //nolint:gosec // a document for everybody
}

// preface is how a document with the figures begins.
//
//go:embed preface.md
var preface string

// measure runs the parts that are wanted.
func measure(ctx context.Context, o options, out io.Writer) (err error) {
	s, err := newStage(ctx, o.bin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	r := &report{out: out}
	if err := r.machine(ctx, s); err != nil {
		return err
	}
	r.line("Taken on %s. Clients, where no other number is said: %d; rounds: %d.", time.Now().Format("2 January 2006"), o.clients, max(o.rounds, 1))
	for _, p := range parts() {
		if !o.only.MatchString(p.name) {
			continue
		}
		if err := p.run(ctx, s, o, r); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// part is a group of figures that belong together.
type part struct {
	name string
	run  func(context.Context, *stage, options, *report) error
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
