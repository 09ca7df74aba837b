// Package engine holds what people ask for: connections, browsing, requests for runs,
// lists, undo. CLI, API and console end here. What a worker executes is in importer,
// mapper and resync, what the fleet does by itself in scheduler.
package engine

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/dial"
	"github.com/halosync/halosync/internal/dispatch"
	"github.com/halosync/halosync/repo"
)

// Config is what an [Engine] works with.
type Config struct {
	Store *repo.Store
	Dial  *dial.Dialer
	// Dispatch puts requested runs into the queue. Default: they wait in the ledger for
	// a worker.
	Dispatch *dispatch.Dispatcher
	Log      *zap.Logger // default: none
}

// Engine runs the use cases. It is safe for concurrent use.
type Engine struct {
	store    *repo.Store
	dial     *dial.Dialer
	dispatch *dispatch.Dispatcher
}

// New returns an engine; it makes no connection of its own.
func New(cfg Config) *Engine {
	if cfg.Dispatch == nil {
		cfg.Dispatch = dispatch.New(cfg.Store, nil, cfg.Log)
	}
	return &Engine{store: cfg.Store, dial: cfg.Dial, dispatch: cfg.Dispatch}
}

// A UsageError says that what was asked for makes no sense as it stands. The
// CLI answers it with exit code 2.
type UsageError struct {
	Reason string
	// Conflict says that it is the state of something that is in the way, and
	// not the request: once that has changed, the same request may make sense.
	Conflict bool
}

func (e *UsageError) Error() string { return e.Reason }

// usagef makes a [*UsageError].
func usagef(format string, args ...any) error {
	return &UsageError{Reason: fmt.Sprintf(format, args...)}
}

// conflictf makes a [*UsageError] about the state of something.
func conflictf(format string, args ...any) error {
	return &UsageError{Reason: fmt.Sprintf(format, args...), Conflict: true}
}

// NotFoundError says which thing of the tenant does not exist.
type NotFoundError struct {
	What, Name string
	Hint       string
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("%s %q does not exist; %s", e.What, e.Name, e.Hint)
}

// FindConnection looks a connection of the tenant up by name or id.
func (e *Engine) FindConnection(ctx context.Context, tenant, ref string) (repo.Connection, error) {
	conn, err := e.store.FindConnection(ctx, tenant, ref)
	if errors.Is(err, repo.ErrNotFound) {
		return conn, &NotFoundError{"connection", ref, `"enqueue connection list" shows those of this tenant`}
	}
	return conn, err
}
