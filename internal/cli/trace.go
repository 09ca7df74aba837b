package cli

import (
	"context"
	"fmt"

	"github.com/halosync/halosync/internal/config"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/traces"
)

// trace starts a trace of the command if the environment configures a collector.
// Failures to export it are reported and otherwise ignored.
func (a *app) trace(ctx context.Context) (_ context.Context, t *traces.Traces, end func(error), err error) {
	failed := func(err error) { fmt.Fprintln(a.Err, "enqueue: "+plaintext.PrintableLines(err.Error())) }
	t, err = traces.New(ctx, a.getenv, "halosync-enqueue", a.version, failed)
	if err != nil {
		return ctx, nil, nil, &config.FaultsError{Faults: []string{err.Error()}}
	}
	if !t.On() {
		return ctx, nil, func(error) {}, nil
	}
	ctx, finish := t.Command(ctx, a.command)
	return ctx, t, func(err error) {
		finish(err)
		if err := t.Close(ctx); err != nil {
			failed(err)
		}
	}, nil
}
