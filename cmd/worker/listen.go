package main

import (
	"context"
	"fmt"
	"net/http"

	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/telemetry"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// forHTTP is how many connections to Postgres the pages may use beside the work.
const forHTTP = 6

// listen serves the console, the API and the ops pages, unless that is off.
func listen(ctx context.Context, set checked, metrics *telemetry.Metrics, store *repo.Store, eng *engine.Engine, server *tasks.Server, log *zap.Logger) (*telemetry.Listener, <-chan error, error) {
	if set.HTTPAddr == "off" {
		return nil, nil, nil
	}
	app, signIn := pages(eng, store)
	guard := access.New(access.Config{
		Store: store, App: app, SignInPage: signIn, Secrets: set.signin, EmbedOrigins: set.embed, Log: log,
		Ops: telemetry.OpsHandler(metrics,
			telemetry.Check{Name: "postgres", Run: store.Ready},
			telemetry.Check{Name: "redis", Run: server.Ping},
		),
	})
	l, err := telemetry.Listen(ctx, set.HTTPAddr, guard)
	if err != nil {
		return nil, nil, err
	}
	return l, l.Failed(), nil
}

// pages are the API and the console, and the console's form for signing in.
func pages(_ *engine.Engine, _ *repo.Store) (app http.Handler, signIn func(w http.ResponseWriter, r *http.Request, status int, message, next string)) {
	return http.NotFoundHandler(), func(w http.ResponseWriter, _ *http.Request, status int, message, _ string) {
		w.WriteHeader(status)
		fmt.Fprintln(w, message)
	}
}

func listenAddr(l *telemetry.Listener) string {
	if l == nil {
		return "off"
	}
	return l.Addr()
}
