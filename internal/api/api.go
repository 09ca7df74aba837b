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

// Prefix is the path of the API.
const Prefix = "/api/v1"

// Config configures a [Handler].
type Config struct {
	Engine *engine.Engine
	Store  *repo.Store
	Log    *zap.Logger // default: no log
	// PollEvery is the interval at which a stream reads its run; default 500 ms.
	PollEvery time.Duration
	// KeepAlive is the time without a change after which a stream sends a comment;
	// default 15 s.
	KeepAlive time.Duration
	// MaxStreams is the maximum number of open streams; default 100. One tenant may open
	// a tenth of these streams, and one key four fifths of its tenant's streams.
	MaxStreams int
}

// Handler serves the API. It is safe for concurrent use.
type Handler struct {
	engine    *engine.Engine
	store     *repo.Store
	log       *zap.Logger
	mux       *http.ServeMux
	huma      huma.API
	pollEvery time.Duration
	keepAlive time.Duration
	streams   streams
	ended     chan struct{}
	end       sync.Once
}

// New returns a handler for all paths under [Prefix].
func New(cfg Config) *Handler {
	h := &Handler{
		engine: cfg.Engine, store: cfg.Store, log: cfg.Log, mux: http.NewServeMux(),
		pollEvery: cfg.PollEvery, keepAlive: cfg.KeepAlive, ended: make(chan struct{}),
	}
	if h.log == nil {
		h.log = zap.NewNop()
	}
	if h.pollEvery == 0 {
		h.pollEvery = 500 * time.Millisecond
	}
	if h.keepAlive == 0 {
		h.keepAlive = 15 * time.Second
	}
	if cfg.MaxStreams == 0 {
		cfg.MaxStreams = 100
	}
	h.streams = newStreams(cfg.MaxStreams)
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

// EndStreams ends all open streams, which would otherwise delay the shutdown of a server.
// Register it with [http.Server.RegisterOnShutdown].
func (h *Handler) EndStreams() { h.end.Do(func() { close(h.ended) }) }
