package worker

import (
	"context"
	"net/http"

	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/access"
	httpapi "github.com/halosync/halosync/internal/api"
	"github.com/halosync/halosync/internal/bulkhead"
	"github.com/halosync/halosync/internal/console"
	"github.com/halosync/halosync/internal/limits"
	"github.com/halosync/halosync/internal/queuemon"
	"github.com/halosync/halosync/internal/setup"
	"github.com/halosync/halosync/internal/telemetry"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

const (
	// requestConns is the number of Postgres connections that requests may use at the same
	// time, and tenantConns the part of one tenant.
	requestConns = 12
	tenantConns  = 3
	// forHTTP is the number of Postgres connections for HTTP, in addition to those for
	// runs: for requests, and for authentication.
	forHTTP = requestConns + 4
	// maxSuggestions is the number of suggestions that requests may compute at the same
	// time, one per tenant. Most of the time they read from Halo.
	maxSuggestions = 32
)

// listen serves the console, the API and the operations pages, unless HTTP is off. Each
// tenant may use only a part of what the worker has; see package limits.
func listen(ctx context.Context, set settings, metrics *telemetry.Metrics, opened *setup.Parts, server *tasks.Server, queues http.Handler, log *zap.Logger) (l *telemetry.Listener, shared shared, err error) {
	shared.bulkheads = opened.Memory.Bulkheads()
	if set.HTTPAddr == "off" {
		return nil, shared, nil
	}
	bounds, suggestions := repo.NewBounds(requestConns, tenantConns), bulkhead.New("suggestions", maxSuggestions, 1)
	bounded, eng := opened.Bounded(bounds, suggestions)
	api := httpapi.New(httpapi.Config{Engine: eng, Store: bounded, Log: log})
	site := console.New(console.Config{Engine: eng, Store: bounded, Log: log, Embedded: len(set.embed) > 0})
	limited := limits.New(limits.Config{Next: pages(api, site, queues), Memory: opened.Memory})
	shared.bulkheads = append(append(shared.bulkheads, bounds.Bulkheads()...), suggestions, limited.Requests(), api.Streams())
	shared.rateLimited = limited.RateLimited
	store := opened.Store
	guard := access.New(access.Config{
		Store: store, App: limited, SignInPage: site.SignInPage, Secrets: set.signin, EmbedOrigins: set.embed, Log: log,
		Ops: telemetry.OpsHandler(metrics,
			telemetry.Check{Name: "postgres", Run: store.Writable},
			telemetry.Check{Name: "redis", Run: func(ctx context.Context) error { return checkRedis(ctx, store, server) }},
		),
	})
	l, err = telemetry.Listen(ctx, set.HTTPAddr, limited.Front(guard), api.EndStreams)
	return l, shared, err
}

// failed returns the channel that receives the error of a listener, or nil.
func failed(l *telemetry.Listener) <-chan error {
	if l == nil {
		return nil
	}
	return l.Failed()
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
