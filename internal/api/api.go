package api

import (
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/zap"

	"github.com/halosync/halosync/internal/engine"
	"github.com/halosync/halosync/repo"
)

// Prefix is where everything of the API is.
const Prefix = "/api/v1"

// Config is what a [Handler] works with.
type Config struct {
	Engine *engine.Engine
	Store  *repo.Store
	Log    *zap.Logger // default: none
	// Look is how often a run is looked at that somebody watches live; default
	// 500 ms.
	Look time.Duration
	// Sign is after how long without a change such a stream shows that it is
	// alive; default 15 s.
	Sign time.Duration
	// Streams is how many of them there may be at a time; default 100, and a
	// tenth of it for one tenant.
	Streams int
}

// Handler serves the API. It is safe for concurrent use.
type Handler struct {
	engine  *engine.Engine
	store   *repo.Store
	log     *zap.Logger
	mux     *http.ServeMux
	huma    huma.API
	look    time.Duration
	sign    time.Duration
	streams *streams
	ended   chan struct{}
	end     sync.Once
}

// New makes a handler for everything below [Prefix].
func New(cfg Config) *Handler {
	h := &Handler{
		engine: cfg.Engine, store: cfg.Store, log: cfg.Log, mux: http.NewServeMux(),
		look: cfg.Look, sign: cfg.Sign, ended: make(chan struct{}),
	}
	if h.log == nil {
		h.log = zap.NewNop()
	}
	if h.look == 0 {
		h.look = 500 * time.Millisecond
	}
	if h.sign == 0 {
		h.sign = 15 * time.Second
	}
	if cfg.Streams == 0 {
		cfg.Streams = 100
	}
	h.streams = newStreams(cfg.Streams)
	h.huma = humago.NewWithPrefix(h.mux, Prefix, h.document())
	h.huma.UseMiddleware(h.authorise, h.readBody, h.onlyOnce)
	h.connections()
	h.connectionChanges()
	h.schedules()
	h.clients()
	h.suggestions()
	h.companies()
	h.requests()
	h.mappings()
	h.runs()
	h.live()
	h.events()
	h.serveDocument()
	return h
}

// EndStreams ends the streams of runs that somebody watches, which otherwise
// keep a server from shutting down. It is for [http.Server.RegisterOnShutdown].
func (h *Handler) EndStreams() { h.end.Do(func() { close(h.ended) }) }
