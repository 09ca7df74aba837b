package worker

import (
	"context"
	"net/http"

	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/access"
	httpapi "github.com/halosync/halosync/internal/api"
	"github.com/halosync/halosync/internal/console"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/queuemon"
	"github.com/halosync/halosync/internal/telemetry"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// forHTTP is the number of Postgres connections for HTTP, in addition to those for
// runs.
const forHTTP = 6

// listen serves the console, the API and the operations pages, unless HTTP is off.
func listen(ctx context.Context, set settings, metrics *telemetry.Metrics, store *repo.Store, eng *engine.Engine, server *tasks.Server, queues http.Handler, log *zap.Logger) (*telemetry.Listener, <-chan error, error) {
	if set.HTTPAddr == "off" {
		return nil, nil, nil
	}
	api := httpapi.New(httpapi.Config{Engine: eng, Store: store, Log: log})
	site := console.New(console.Config{Engine: eng, Store: store, Log: log, Embedded: len(set.embed) > 0})
	guard := access.New(access.Config{
		Store: store, App: pages(api, site, queues), SignInPage: site.SignInPage, Secrets: set.signin, EmbedOrigins: set.embed, Log: log,
		Ops: telemetry.OpsHandler(metrics,
			telemetry.Check{Name: "postgres", Run: store.Writable},
			telemetry.Check{Name: "redis", Run: func(ctx context.Context) error { return checkRedis(ctx, store, server) }},
		),
	})
	l, err := telemetry.Listen(ctx, set.HTTPAddr, guard, api.EndStreams)
	if err != nil {
		return nil, nil, err
	}
	l.OnClosed(guard.Flush)
	return l, l.Failed(), nil
}

// checkRedis checks that Redis answers and belongs to this installation.
func checkRedis(ctx context.Context, store *repo.Store, server *tasks.Server) error {
	if err := server.Ping(ctx); err != nil {
		return err
	}
	id, err := store.Installation(ctx)
	if err != nil {
		return nil //nolint:nilerr // the check of Postgres reports it
	}
	return server.CheckInstallation(ctx, id)
}

// pages routes requests to the API, the queues and the console.
func pages(api, console, queues http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(httpapi.Prefix+"/", api)
	mux.Handle(queuemon.Root+"/", queues)
	mux.Handle("/", console)
	return mux
}

func listenAddr(l *telemetry.Listener) string {
	if l == nil {
		return "off"
	}
	return l.Addr()
}
