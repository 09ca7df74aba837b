// Package engine implements what people can do: manage connections, browse clients,
// request runs, read lists, and undo runs. The CLI, the API and the console call it.
// Packages importer, mapper, resync and suggest implement what a worker executes, and package
// scheduler implements the scheduled jobs.
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

// Config configures an [Engine].
type Config struct {
	Store *repo.Store
	Dial  *dial.Dialer
	// Dispatch enqueues requested runs. The default leaves them in the ledger for a
	// worker.
	Dispatch *dispatch.Dispatcher
	Log      *zap.Logger // nil logs nothing
}

// Engine implements the use cases. It is safe for concurrent use.
type Engine struct {
	store    *repo.Store
	dial     *dial.Dialer
	dispatch *dispatch.Dispatcher
}

// New returns an engine. It does not connect to anything.
func New(cfg Config) *Engine {
	if cfg.Dispatch == nil {
		cfg.Dispatch = dispatch.New(cfg.Store, nil, cfg.Log)
	}
	return &Engine{store: cfg.Store, dial: cfg.Dial, dispatch: cfg.Dispatch}
}

// A UsageError reports an invalid request. The CLI exits with code 2.
type UsageError struct {
	Reason string
	// Conflict reports whether the current state of an object prevents the request. The
	// same request may succeed later.
	Conflict bool
}

func (e *UsageError) Error() string { return e.Reason }

// usagef returns a [*UsageError].
func usagef(format string, args ...any) error {
	return &UsageError{Reason: fmt.Sprintf(format, args...)}
}

// conflictf returns a [*UsageError] that reports a conflict.
func conflictf(format string, args ...any) error {
	return &UsageError{Reason: fmt.Sprintf(format, args...), Conflict: true}
}

// A NotFoundError reports that the tenant has no object with the given name.
type NotFoundError struct {
	What, Name string
	Hint       string
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("%s %q does not exist; %s", e.What, e.Name, e.Hint)
}

// FindConnection returns a connection of the tenant by name or id.
func (e *Engine) FindConnection(ctx context.Context, tenant, ref string) (repo.Connection, error) {
	conn, err := e.store.FindConnection(ctx, tenant, ref)
	if errors.Is(err, repo.ErrNotFound) {
		return conn, &NotFoundError{"connection", ref, `"enqueue connection list" shows those of this tenant`}
	}
	return conn, err
}
