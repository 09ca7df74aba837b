// Package queuemon serves asynqmon, the web pages of asynq, for operators. The queues
// hold tasks of all tenants, so the pages require the scope ops. They are read-only
// unless configured otherwise.
//
// asynqmon consists of one HTML page with scripts and a JSON API. This package changes the
// page so that it works under a strict content security policy.
package queuemon

import (
	"bytes"
	"net/http"
	"path"
	"strings"

	"github.com/hibiken/asynqmon"
	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/redisurl"
)

// Root is the path of the pages.
const Root = "/asynqmon"

// Config configures a [Monitor].
type Config struct {
	Redis redisurl.Address
	// Writable allows operators to pause queues, and to run, archive, cancel and delete
	// tasks.
	Writable bool
	Log      *zap.Logger // nil: no log
}

// Monitor serves asynqmon. It is safe for concurrent use.
type Monitor struct {
	asynqmon *asynqmon.HTTPHandler
	writable bool
	page     page
	log      *zap.Logger
	handler  http.Handler
}

// New returns a monitor. It connects to Redis at the first request.
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
		_ = m.Close() // nothing has been opened yet
		return nil, err
	}
	const reason = "the queues hold tasks of all tenants. Sign in with a key of that scope."
	m.handler = access.Require(access.Ops, reason, http.HandlerFunc(m.serve))
	return m, nil
}

// Close closes the connections to Redis.
func (m *Monitor) Close() error { return m.asynqmon.Close() }

func (m *Monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

func (m *Monitor) serve(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	below := strings.TrimPrefix(r.URL.Path, Root)
	switch api := strings.HasPrefix(below, "/api/"); {
	case !reads && (!m.writable || !api):
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "These pages are read-only. Set HALOSYNC_QUEUES_WRITABLE to change queues.", http.StatusMethodNotAllowed)
	case api:
		if !reads {
			p, _ := access.From(r.Context())
			m.log.Info("queue change", zap.String("tenant", p.Tenant), zap.String("actor", p.Actor),
				zap.String("method", r.Method), zap.String("path", below))
		}
		m.asynqmon.ServeHTTP(&typed{ResponseWriter: w, kind: "application/json"}, r)
	case isFile(below):
		w.Header().Set("Cache-Control", "private, max-age=3600")
		m.asynqmon.ServeHTTP(&typed{ResponseWriter: w, kind: fileTypes[path.Ext(below)], replace: true}, r)
	default:
		m.page.serve(w)
	}
}

// isFile reports whether a path is one of asynqmon's files. A dot alone does not
// identify a file, because the path of a page may contain an id with dots.
func isFile(below string) bool {
	return strings.HasPrefix(below, "/static/") || path.Dir(below) == "/" && path.Ext(below) != ""
}

// fileTypes maps file name extensions to content types. asynqmon itself sends these files
// as plain text or XML.
var fileTypes = map[string]string{".svg": "image/svg+xml", ".json": "application/json", ".map": "application/json"}

// typed sets the content type of an answer of asynqmon. asynqmon sets no content type for
// the JSON of its API, so net/http would declare it as plain text. asynqmon answers an
// unknown path with its HTML page; typed replaces that page with a 404.
type typed struct {
	http.ResponseWriter
	kind    string // may be empty
	replace bool   // overwrite asynqmon's own content type
	unknown bool
}

// Write sets the content type and writes p.
func (w *typed) Write(p []byte) (int, error) {
	if !w.unknown && bytes.HasPrefix(bytes.ToLower(p[:min(len(p), 20)]), []byte("<!doctype html")) {
		w.unknown = true
		w.Header().Del("Cache-Control")
		http.Error(w.ResponseWriter, "404 page not found", http.StatusNotFound)
	}
	if w.unknown {
		return len(p), nil
	}
	if h := w.Header(); w.kind != "" && (w.replace || h.Get("Content-Type") == "") {
		h.Set("Content-Type", w.kind)
	}
	return w.ResponseWriter.Write(p)
}
