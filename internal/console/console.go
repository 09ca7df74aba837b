// Package console is the technician's way in a browser: pages rendered by the
// server, which work without JavaScript and are quicker with it. What a page
// does ends in the engine, as the CLI and the API do.
//
// A page is a file below pages, which defines "main", and a function of
// [Console] that gives it its data. Who may see it is said where its route is.
// Every page goes through [visit.render]: into memory first, so that a fault in
// a template is an error and no half page, and with what could reorder or hide
// text made visible, whoever wrote it.
package console

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
)

// Config is what a [Console] works with.
type Config struct {
	Engine *engine.Engine
	Store  *repo.Store
	Log    *zap.Logger // default: none
	// Embedded says that pages may be shown inside the product's, of another
	// site: the cookie of messages is then sent there as well.
	Embedded bool
	// Now is the clock of what is shown relative to it; nil is time.Now.
	Now func() time.Time
}

// Console serves the pages. It is safe for concurrent use.
type Console struct {
	engine   *engine.Engine
	store    *repo.Store
	log      *zap.Logger
	embedded bool
	now      func() time.Time
	pages    pages
	assets   assets
	mux      *http.ServeMux
}

// New returns the console. It expects a principal in the context of each
// request (package access) but for the assets.
func New(cfg Config) *Console {
	c := &Console{
		engine: cfg.Engine, store: cfg.Store, log: cfg.Log, embedded: cfg.Embedded, now: cfg.Now,
		assets: loadAssets(), mux: http.NewServeMux(),
	}
	if c.log == nil {
		c.log = zap.NewNop()
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.pages = loadPages(funcs(c.assets, c.now))
	c.routes()
	c.wizardRoutes()
	return c
}

func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

// routes says which page is where, and what one must be allowed to see it.
func (c *Console) routes() {
	c.mux.Handle("GET /assets/{name}", c.assets)
	c.handle("/", access.Read, func(*visit) error { return problem.ErrNoPage })
	c.handle("GET /{$}", access.Read, func(v *visit) error { return v.redirect("/connections", nil) })
	c.connectionRoutes()

	c.handle("GET /mappings", access.Read, c.mappings)
	c.handle("POST /mappings/delete", access.Write, c.deleteMappings)
	c.handle("POST /mappings/restore", access.Write, c.restoreMappings)
	c.handle("GET /companies", access.Read, c.companies)
	c.handle("POST /companies", access.Write, c.addCompanies)

	c.handle("GET /runs", access.Read, c.runs)
	c.handle("GET /runs/{id}", access.Read, c.run)
	c.handle("GET /runs/{id}/live", access.Read, c.runLive)
	c.handle("POST /runs/{id}/cancel", access.Write, c.cancelRun)
	c.handle("POST /runs/{id}/retry", access.Write, c.retryRun)
	c.handle("POST /runs/{id}/approve", access.Write, c.approveRun)
	c.handle("POST /runs/{id}/undo", access.Write, c.undoRun)
	c.handle("GET /events", access.Read, c.events)
}

func (c *Console) connectionRoutes() {
	c.handle("GET /connections", access.Read, c.connections)
	c.handle("GET /connections/new", access.Admin, c.newConnection)
	c.handle("POST /connections", access.Admin, c.addConnection)
	c.handle("GET /connections/{id}", access.Read, c.connection)
	c.handle("POST /connections/{id}/test", access.Admin, c.testConnection)
	c.handle("POST /connections/{id}/update", access.Admin, c.updateConnection)
	c.handle("POST /connections/{id}/pause", access.Admin, c.pauseConnection)
	c.handle("POST /connections/{id}/resume", access.Admin, c.resumeConnection)
	c.handle("POST /connections/{id}/schedule", access.Admin, c.scheduleConnection)
	c.handle("POST /connections/{id}/remove", access.Admin, c.removeConnection)
	c.handle("POST /connections/{id}/resync", access.Write, c.resyncConnection)
}

const (
	// patience is how long an answer may take, Halo's part included.
	patience = time.Minute
	// reading is how long a browser may take over reading it.
	reading = 30 * time.Second
)

// handle registers what serves a pattern for those whose scope covers need.
func (c *Console) handle(pattern string, need access.Scope, do func(*visit) error) {
	c.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience + reading)) // a recorder has none
		v := &visit{c: c, w: w, r: r.WithContext(ctx)}
		if err := v.answer(need, do); err != nil {
			v.fail(err)
		}
	})
}

// answer lets in whose scope covers need. A panic is an error, so that it
// becomes a page and is logged like others.
func (v *visit) answer(need access.Scope, do func(*visit) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	principal, ok := access.From(v.r.Context())
	if !ok {
		return problem.ErrNotSignedIn
	}
	v.Principal = principal
	if !principal.Scope.Covers(need) {
		return &problem.ScopeError{Need: string(need)}
	}
	if err := v.readForm(); err != nil {
		return err
	}
	return do(v)
}
