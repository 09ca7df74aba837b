// Demo shows an import and a resync with a private Postgres, a private Redis
// and a simulated Halo PSA. The worker and the CLI run as processes, as in
// production. "make demo" runs it. Demo removes all its files at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	interrupted := ctx.Err() != nil
	stop()
	if err != nil && !interrupted {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("demo", flag.ExitOnError)
	bin := flags.String("bin", "bin", "folder with the worker and enqueue programs")
	clients := flags.Int("clients", 2500, "clients of the simulated Halo PSA")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := filepath.Abs(*bin)
	if err != nil {
		return err
	}
	d, err := newStage(ctx, dir, *clients)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.play(ctx); err != nil {
		return err
	}
	if os.Getenv("DEMO_ONCE") == "1" || !term.IsTerminal(int(os.Stdout.Fd())) {
		return nil
	}
	d.invite()
	<-ctx.Done()
	fmt.Println("\nstopping")
	return nil
}
