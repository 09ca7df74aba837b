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
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/queuemon"
	"github.com/halosync/halosync/internal/telemetry"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/tasks"
)

// forHTTP is the number of Postgres connections for HTTP, in addition to those for
// runs.
const forHTTP = 6

// listeners are the HTTP servers of a worker. Either may be nil.
type listeners struct {
	main    *telemetry.Listener // console, API, queues
	metrics *telemetry.Listener // metrics and the reasons of /readyz
}

// listen starts the servers that the settings ask for.
func listen(ctx context.Context, set settings, metrics *telemetry.Metrics, store *repo.Store, eng *engine.Engine, server *tasks.Server, queues http.Handler, log *zap.Logger) (l listeners, err error) {
	ops := telemetry.OpsHandler(metrics,
		telemetry.Check{Name: "postgres", Run: store.Writable},
		telemetry.Check{Name: "redis", Run: func(ctx context.Context) error { return checkRedis(ctx, store, server) }},
	)
	if set.HTTPAddr != "off" {
		site := access.Site{PublicURL: set.public, EmbedOrigins: set.embed}
		api := httpapi.New(httpapi.Config{Engine: eng, Store: store, Log: log})
		web := console.New(console.Config{Engine: eng, Store: store, Log: log, Site: site})
		guard := access.New(access.Config{
			Store: store, Ops: ops, App: pages(api, web, queues), SignInPage: web.SignInPage, ChangePage: web.ChangePage,
			Secrets: set.signin, Site: site, TrustedProxies: set.proxies, Log: log,
		})
		if l.main, err = telemetry.Listen(ctx, set.HTTPAddr, guard, api.EndStreams); err != nil {
			return l, err
		}
		l.main.OnClosed(guard.Flush)
	}
	if l.metrics, err = listenForMetrics(ctx, set.MetricsAddr, ops, log); err != nil {
		return l, errors.Join(err, l.close(ctx))
	}
	return l, nil
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
