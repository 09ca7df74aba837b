package worker

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/access"
	httpapi "github.com/halosync/halosync/internal/api"
	"github.com/halosync/halosync/internal/config"
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
)

// listeners are the HTTP servers of a worker. Either may be nil.
type listeners struct {
	main    *telemetry.Listener // console, API, queues
	metrics *telemetry.Listener // metrics and the reasons of /readyz
}

// listen starts the servers that the settings ask for. Each tenant may use only a part of
// what the worker has; see package limits.
func listen(ctx context.Context, set settings, metrics *telemetry.Metrics, opened *setup.Parts, server *tasks.Server, queues http.Handler, log *zap.Logger) (l listeners, shared shared, err error) {
	store := opened.Store
	shared.bulkheads = opened.Memory.Bulkheads()
	ops := telemetry.OpsHandler(metrics,
		telemetry.Check{Name: "postgres", Run: store.Writable},
		telemetry.Check{Name: "redis", Run: func(ctx context.Context) error { return checkRedis(ctx, store, server) }},
	)
	if set.HTTPAddr != "off" {
		bounds := repo.NewBounds(requestConns, tenantConns)
		bounded, eng := opened.Bounded(bounds)
		site := access.Site{PublicURL: set.public, EmbedOrigins: set.embed}
		api := httpapi.New(httpapi.Config{Engine: eng, Store: bounded, Log: log})
		web := console.New(console.Config{Engine: eng, Store: bounded, Log: log, Site: site})
		limited := limits.New(limits.Config{Next: pages(api, web, queues), Memory: opened.Memory})
		shared.bulkheads = append(append(shared.bulkheads, bounds.Bulkheads()...), limited.Requests(), api.Streams())
		shared.rateLimited = limited.RateLimited
		guard := access.New(access.Config{
			Store: store, Ops: ops, App: limited, SignInPage: web.SignInPage, ChangePage: web.ChangePage,
			Secrets: set.signin, Site: site, TrustedProxies: set.proxies, Log: log,
		})
		if l.main, err = telemetry.Listen(ctx, set.HTTPAddr, limited.Front(guard), api.EndStreams); err != nil {
			return l, shared, err
		}
		l.main.OnClosed(guard.Flush)
	}
	if l.metrics, err = listenForMetrics(ctx, set.MetricsAddr, ops, log); err != nil {
		return l, shared, errors.Join(err, l.close(ctx))
	}
	return l, shared, nil
}

// listenForMetrics serves the metrics at an address of their own. If none is set, and
// the default address is not free, it logs that and serves nothing: another worker on
// this machine may have taken it.
func listenForMetrics(ctx context.Context, addr string, ops http.Handler, log *zap.Logger) (*telemetry.Listener, error) {
	if addr == "off" {
		return nil, nil //nolint:nilnil // no listener is wanted
	}
	l, err := telemetry.Listen(ctx, cmp.Or(addr, config.DefaultMetricsAddr), access.OwnListener(ops))
	if err != nil && addr == "" {
		log.Warn("metrics not served, set HALOSYNC_METRICS_ADDR to another address or to off", zap.Error(err))
		return nil, nil //nolint:nilnil // the log says why
	}
	return l, err
}

// failed returns a channel that receives the error if a listener fails.
func failed(l *telemetry.Listener) <-chan error {
	if l == nil {
		return nil
	}
	return l.Failed()
}

// close ends both servers.
func (l listeners) close(ctx context.Context) (err error) {
	for _, one := range []*telemetry.Listener{l.main, l.metrics} {
		if one != nil {
			err = errors.Join(err, one.Close(ctx))
		}
	}
	return err
}

// checkRedis checks that Redis answers and belongs to this installation.
func checkRedis(ctx context.Context, store *repo.Store, server *tasks.Server) error {
	if err := server.Ping(ctx); err != nil {
		return err
	}
	id, err := store.Installation(ctx)
	if err != nil {
		return nil //nolint:nilerr // the Postgres check reports it
	}
	return server.CheckInstallation(ctx, id)
}

// pages returns a handler that routes requests to the API, the queues and the console.
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
