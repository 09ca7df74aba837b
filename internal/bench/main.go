// Bench measures what an import, a re-import and a resync cost, next to the
// floors of the same machine in the same run and next to plain alternatives.
// "make bench" runs it: private servers, the worker as its own process, and a
// simulated Halo PSA in this one. It leaves nothing behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
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
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	bin := flags.String("bin", "bin", "folder with the worker and enqueue programs")
	only := flags.String("only", "", "regular expression of the parts to run; all by default")
	var o options
	flags.IntVar(&o.rounds, "rounds", 5, "rounds of each comparison, after one to warm up")
	flags.IntVar(&o.clients, "clients", 100_000, "clients of the simulated Halo PSA; the parts that need more or fewer scale with it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.only, err = regexp.Compile(*only); err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if o.bin, err = filepath.Abs(*bin); err != nil {
		return err
	}
	s, err := newStage(ctx, o.bin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	r := &report{out: out}
	if err := r.machine(ctx, s); err != nil {
		return err
	}
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
	}
}
