// Package console is the web interface for technicians. The server renders the pages,
// which work without JavaScript and are faster with it. Like the CLI and the API, the
// console calls the use cases of package engine.
//
// A page consists of a template and a method of [Console]. The template is the file in
// the pages folder that defines "main"; the method provides the data. The route of a
// page declares the scope that the page requires. [request.render] renders into memory
// first, so that an error in a template cannot leave a partial page. It also makes
// visible any characters that could reorder or hide text.
//
// It has more than 2,500 lines: one handler type serves all pages, which share forms,
// alerts and navigation. The two wizards make up a third of the code.
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

// Config configures a [Console].
type Config struct {
	Engine *engine.Engine
	Store  *repo.Store
	Log    *zap.Logger // default: no log
	// Site determines the attributes of the message cookie.
	Site access.Site
	// Now returns the current time; default: time.Now.
	Now func() time.Time
}

// Console serves the pages. It is safe for concurrent use.
type Console struct {
	engine *engine.Engine
	store  *repo.Store
	log    *zap.Logger
	site   access.Site
	now    func() time.Time
	pages  pages
	assets assets
	mux    *http.ServeMux
}

// New returns the console. Every request except one for an asset needs a principal in its
// context (see package access).
func New(cfg Config) *Console {
	c := &Console{
		engine: cfg.Engine, store: cfg.Store, log: cfg.Log, site: cfg.Site, now: cfg.Now,
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

// routes registers each page with the scope that it requires.
func (c *Console) routes() {
	c.mux.Handle("GET /assets/{name}", c.assets)
	c.handle("/", access.Read, func(*request) error { return problem.ErrNoPage })
	c.handle("GET /{$}", access.Read, func(r *request) error { return r.redirect("/connections", nil) })
	c.connectionRoutes()

	c.handle("GET /mappings", access.Read, c.mappings)
	c.handle("POST /mappings/delete", access.Write, c.unmapMappings)
	c.handle("POST /mappings/restore", access.Write, c.restoreMappings)
	c.handle("GET /companies", access.Read, c.companies)
	c.handle("POST /companies", access.Write, c.addCompanies)

	c.handle("GET /runs", access.Read, c.runs)
	c.handle("GET /runs/{id}", access.Read, c.run)
	c.handle("GET /runs/{id}/live", access.Read, c.runLive)
	c.handle("POST /runs/{id}/cancel", access.Write, runAction(c.cancelRun))
	c.handle("POST /runs/{id}/retry", access.Write, runAction(c.retryRun))
	c.handle("POST /runs/{id}/approve", access.Write, runAction(c.approveRun))
	c.handle("POST /runs/{id}/undo", access.Write, runAction(c.undoRun))
	c.handle("GET /events", access.Read, c.events)
	c.handle("GET /security", access.Admin, c.security)
	c.handle("GET /sessions", access.Read, c.sessions)
	c.handle("POST /sessions/end", access.Read, c.endSessions)
	c.handle("POST /sessions/{id}/end", access.Read, c.endSession)
}

func (c *Console) connectionRoutes() {
	c.handle("GET /connections", access.Read, c.connections)
	c.handle("GET /connections/new", access.Admin, c.newConnection)
	c.handle("POST /connections", access.Admin, c.addConnection)
	c.handle("GET /connections/{id}", access.Read, onConnection(c.connection))
	c.handle("POST /connections/{id}/test", access.Admin, onConnection(c.testConnection))
	c.handle("POST /connections/{id}/update", access.Admin, onConnection(c.updateConnection))
	c.handle("POST /connections/{id}/pause", access.Admin, onConnection(c.pauseConnection))
	c.handle("POST /connections/{id}/resume", access.Admin, onConnection(c.resumeConnection))
	c.handle("POST /connections/{id}/schedule", access.Admin, onConnection(c.scheduleConnection))
	c.handle("POST /connections/{id}/remove", access.Admin, onConnection(c.removeConnection))
	c.handle("POST /connections/{id}/resync", access.Write, onConnection(c.resyncConnection))
}

// wizardRoutes registers the wizards that import and map companies.
func (c *Console) wizardRoutes() {
	c.handle("GET /import", access.Write, c.importPage)
	c.handle("POST /import/pick", access.Write, c.importPick)
	c.handle("POST /import/preview", access.Write, c.importPreview)
	c.handle("GET /import/preview", access.Write, func(r *request) error { return r.redirect("/import", nil) })
	c.handle("GET /import/preview/{id}", access.Write, c.importLive)
	c.handle("POST /import", access.Write, c.importFinish)
	c.handle("GET /map", access.Write, c.mapPage)
	c.handle("POST /map", access.Write, c.mapAct)
	c.handle("GET /map/suggestions/{id}", access.Write, c.mapLive)
}

const (
	// requestTimeout limits the time that a request takes, including calls to Halo.
	requestTimeout = time.Minute
	// writeTimeout limits how long a browser may take to read the response.
	writeTimeout = 30 * time.Second
)

// handle registers a page that requires a principal whose scope covers the scope need.
func (c *Console) handle(pattern string, need access.Scope, do func(*request) error) {
	c.mux.HandleFunc(pattern, func(w http.ResponseWriter, hr *http.Request) {
		ctx, cancel := context.WithTimeout(hr.Context(), requestTimeout)
		defer cancel()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(requestTimeout + writeTimeout)) // fails only for an httptest.ResponseRecorder
		r := &request{Request: hr.WithContext(ctx), c: c, w: w}
		if err := r.answer(need, do); err != nil {
			r.fail(err)
		}
	})
}

// answer checks the scope and calls the function do. It converts a panic to an error, so
// that panics are logged and shown like other errors.
func (r *request) answer(need access.Scope, do func(*request) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	principal, ok := access.From(r.Context())
	if !ok {
		return problem.ErrNotSignedIn
	}
	r.Principal = principal
	if !access.Permits(r.Context(), need) {
		return &problem.ScopeError{Need: string(need)}
	}
	if err := r.readForm(); err != nil {
		return err
	}
	return do(r)
}

// SignInPage shows the form for an API key and requires no principal. The message states
// why the last attempt failed. After signing in, the browser goes to the path in the
// argument next.
func (c *Console) SignInPage(w http.ResponseWriter, hr *http.Request, status int, message, next string) {
	r := &request{Request: hr, c: c, w: w}
	if !localPath(next) {
		next = ""
	}
	p := page{Title: "Sign in", Nav: "-", Data: struct{ Message, Next string }{message, next}}
	if err := r.show(status, "signin", p); err != nil {
		r.fail(err)
	}
}

// ChangePage asks a person whether to sign in as someone else. It requires no principal.
func (c *Console) ChangePage(w http.ResponseWriter, hr *http.Request, change access.Change) {
	r := &request{Request: hr, c: c, w: w}
	if !localPath(change.Path) {
		change.Path = "/"
	}
	if err := r.show(http.StatusOK, "change", page{Title: "Sign in as someone else", Nav: "-", Data: change}); err != nil {
		r.fail(err)
	}
}
