package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/access"
	"github.com/halosync/halosync/internal/bulkhead"
	"github.com/halosync/halosync/internal/view"
	"github.com/halosync/halosync/repo"
)

const (
	// eventTimeout limits how long a caller may take to read an event.
	eventTimeout = 20 * time.Second
	// maxStream is the maximum duration of a stream. Clients then reconnect and are
	// authorized again.
	maxStream = 10 * time.Minute
)

// live registers the operation that streams the progress of a run.
func (h *Handler) live() {
	o := operation{
		id: "watch-run", method: http.MethodGet, path: "/runs/{run}/live", tag: "Runs", scope: access.Read,
		summary: "Watch a run until it ends, as server-sent events", errors: []int{http.StatusNotFound, http.StatusTooManyRequests},
		about: "Sends an event `run` with the run, without its items, at the start and at each change, and a comment every 15 s as keep-alive. " +
			"When the run ends, sends an event `end` with the whole run and closes the stream. A stream lasts at most 10 minutes; open it again if it closes before the event `end`.",
	}
	op := o.described()
	run := h.huma.OpenAPI().Components.Schemas.Schema(runType, true, "")
	op.Responses = map[string]*huma.Response{"200": {
		Description: "A stream of events. The data of each event is a run, as one line of JSON.",
		Content: map[string]*huma.MediaType{"text/event-stream": {
			Schema:  &huma.Schema{Type: "string", Extensions: map[string]any{"x-data": run}},
			Example: "event: run\ndata: {\"id\":\"0193f2a4c5d77e0a9b1c2d3e4f506172\",\"state\":\"running\",\"records\":300,\"records_total\":2500}\n\n",
		}},
	}}
	huma.Register(h.huma, op, func(ctx context.Context, in *oneRun) (*huma.StreamResponse, error) {
		p := principalOf(ctx)
		first, err := h.engine.Run(ctx, p.Tenant, in.Run)
		if err != nil {
			return nil, h.problemOf(err)
		}
		leave, err := h.streams.enter(ctx, p)
		if err != nil {
			full := newProblem(http.StatusTooManyRequests, "too many open streams: close some, or poll /runs/{run}")
			return nil, huma.ErrorWithHeaders(full, http.Header{"Retry-After": {"10"}})
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			defer leave()
			bulkhead.Leave(ctx.Context()) // a stream takes minutes and has its own limit
			_, w := humago.Unwrap(ctx)
			h.watch(ctx.Context(), w, p.Tenant, first)
		}}, nil
	})
}

// watch writes the events of a run until the run, the request or the server ends.
func (h *Handler) watch(ctx context.Context, w http.ResponseWriter, tenant string, run repo.Run) {
	s := &stream{w: w, control: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // proxies must not buffer events
	ctx, cancel := context.WithTimeout(ctx, maxStream)
	defer cancel()
	poll, keepAlive := time.NewTicker(h.pollEvery), time.NewTicker(h.keepAlive)
	defer poll.Stop()
	defer keepAlive.Stop()
	for {
		if run.Ended() {
			h.last(ctx, s, tenant, run.ID)
			return
		}
		run.Items, run.Pairs = nil, nil
		if s.changed(run) {
			keepAlive.Reset(h.keepAlive)
		}
		select {
		case <-ctx.Done():
			return
		case <-h.ended:
			return
		case <-keepAlive.C:
			s.write(": still " + string(run.State) + "\n\n")
		case <-poll.C:
			var err error
			if run, err = h.store.RunSummary(ctx, tenant, run.ID); err != nil {
				return // the client reconnects and then gets the error
			}
		}
		if s.err != nil {
			return
		}
	}
}

// last writes the last event: the finished run with its items and pairs.
func (h *Handler) last(ctx context.Context, s *stream, tenant string, id uuid.UUID) {
	if run, err := h.store.Run(ctx, tenant, id); err == nil {
		s.event("end", run)
	}
}

// stream writes events. After an error it writes nothing more.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	shown   string
	err     error
}

// changed writes a run if it differs from the last one written.
func (s *stream) changed(run repo.Run) bool {
	data, err := json.Marshal(view.NewRun(run))
	if err != nil || string(data) == s.shown {
		return false
	}
	s.shown = string(data)
	s.write("event: run\ndata: " + s.shown + "\n\n")
	return true
}

func (s *stream) event(name string, run repo.Run) {
	if data, err := json.Marshal(view.NewRun(run)); err == nil { // a run always marshals
		s.write("event: " + name + "\ndata: " + string(data) + "\n\n")
	}
}

// write sends text immediately. It fails if the caller does not read the text in time.
func (s *stream) write(text string) {
	if s.err != nil {
		return
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(eventTimeout)) // fails only for an httptest.ResponseRecorder
	if _, s.err = fmt.Fprint(s.w, text); s.err == nil {
		s.err = s.control.Flush()
	}
}

var runType = reflect.TypeFor[view.Run]()

// streams limits the open streams in total, per tenant and per key. The limit per key is
// below the limit per tenant, so that other keys of the tenant can also open streams.
type streams struct{ tenants, keys *bulkhead.Bulkhead }

func newStreams(limit int) streams {
	perTenant := max(1, limit/10)
	return streams{
		tenants: bulkhead.New("streams", int64(limit), int64(perTenant)),
		keys:    bulkhead.New("streams", int64(limit), int64(max(1, perTenant*4/5))),
	}
}

// enter counts a stream until leave is called.
func (s streams) enter(ctx context.Context, p access.Principal) (leave func(), err error) {
	leaveTenant, err := s.tenants.Acquire(ctx, 0, p.Tenant, 1)
	if err != nil {
		return nil, err
	}
	leaveKey, err := s.keys.Acquire(ctx, 0, p.Tenant+"\x00"+p.Actor, 1)
	if err != nil {
		leaveTenant()
		return nil, err
	}
	return func() {
		leaveKey()
		leaveTenant()
	}, nil
}

// Streams returns the limit of open streams.
func (h *Handler) Streams() *bulkhead.Bulkhead { return h.streams.tenants }
