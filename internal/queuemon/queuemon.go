// Package queuemon serves asynqmon, the pages of the queue's own library, for
// those who run the installation: the queues hold tasks of all tenants, so it
// takes the scope ops. Unless that is switched on, it shows and changes nothing.
//
// asynqmon is a page with a script that asks its JSON API. Both come from
// asynqmon; the page is changed on its way, so that a strict policy fits it.
package queuemon

import (
	"net/http"
	"path"
	"strings"

	"github.com/hibiken/asynqmon"
	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/redisurl"
)

// Root is the path below which everything is.
const Root = "/asynqmon"

// Config is what a [Monitor] works with.
type Config struct {
	Redis redisurl.Address
	// Writable lets queues be paused, and tasks be run, archived, cancelled and
	// deleted.
	Writable bool
	Log      *zap.Logger // default: none
}

// Monitor serves asynqmon. It is safe for concurrent use.
type Monitor struct {
	asynqmon *asynqmon.HTTPHandler
	writable bool
	page     page
	log      *zap.Logger
	handler  http.Handler
}

// New returns the pages. Redis is not asked before the first request. Close ends
// the connections to it.
func New(cfg Config) (*Monitor, error) {
	m := &Monitor{writable: cfg.Writable, log: cfg.Log, asynqmon: asynqmon.New(asynqmon.Options{
		RootPath: Root, RedisConnOpt: cfg.Redis, ReadOnly: !cfg.Writable,
		PayloadFormatter: asynqmon.PayloadFormatterFunc(format), ResultFormatter: asynqmon.ResultFormatterFunc(format),
	})}
	if m.log == nil {
		m.log = zap.NewNop()
	}
	var err error
	if m.page, err = pageOf(m.asynqmon); err != nil {
		_ = m.Close() // nothing was opened yet
		return nil, err
	}
	m.handler = access.Require(access.Ops, "the queues hold tasks of all tenants. Sign in with a key of that scope.", http.HandlerFunc(m.serve))
	return m, nil
}

// Close ends the connections to Redis.
func (m *Monitor) Close() error { return m.asynqmon.Close() }

func (m *Monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

func (m *Monitor) serve(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	below := strings.TrimPrefix(r.URL.Path, Root)
	switch api := strings.HasPrefix(below, "/api/"); {
	case !reads && (!m.writable || !api):
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "The queues are shown and not changed here (HALOSYNC_QUEUES_WRITABLE).", http.StatusMethodNotAllowed)
	case api:
		if !reads {
			p, _ := access.From(r.Context())
			m.log.Info("queues: change", zap.String("tenant", p.Tenant), zap.String("actor", p.Actor), zap.String("method", r.Method), zap.String("path", below))
		}
		m.asynqmon.ServeHTTP(w, r)
	case isFile(below):
		w.Header().Set("Cache-Control", "private, max-age=3600")
		if path.Ext(below) == ".svg" {
			w = &image{w}
		}
		m.asynqmon.ServeHTTP(w, r)
	default:
		m.page.serve(w)
	}
}

// isFile tells asynqmon's files from its pages: the latter have all one
// document, and the ids in their paths may have dots.
func isFile(below string) bool {
	return strings.HasPrefix(below, "/static/") || path.Dir(below) == "/" && path.Ext(below) != ""
}

// image is an answer with a drawing, whose type asynqmon does not know.
type image struct{ http.ResponseWriter }

// Write sets the type that asynqmon has added another one to.
func (w *image) Write(p []byte) (int, error) {
	w.Header().Set("Content-Type", "image/svg+xml")
	return w.ResponseWriter.Write(p)
}
