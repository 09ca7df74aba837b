package api

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"go.uber.org/zap"
)

const (
	// longest is how long an answer may take, Halo's part included.
	longest = 2 * time.Minute
	// writing is how long a caller may take over reading an answer.
	writing = 30 * time.Second
)

// ServeHTTP answers a request below [Prefix]. Whatever there is no operation
// for is a problem, too.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r.Header.Del("Accept") // there is JSON, and nothing to choose from
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			h.log.Error("panic in the API", zap.String("path", r.URL.Path), zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			writeProblem(w, h.internal(fmt.Errorf("panic: %v", p)))
		}
	}()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(longest + writing)) // a recorder has none
	handler, pattern := h.mux.Handler(r)
	if pattern != "" {
		h.mux.ServeHTTP(w, r)
		return
	}
	var said refusal
	handler.ServeHTTP(&said, r)
	if allow := said.Header().Get("Allow"); said.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", allow)
		writeProblem(w, newProblem(said.status, fmt.Sprintf("%s is not possible here: %s", r.Method, allow)))
		return
	}
	writeProblem(w, newProblem(http.StatusNotFound, "there is no such operation; "+Prefix+"/openapi.json describes all"))
}

// refusal takes what the router says of a request that it has no place for.
type refusal struct {
	header http.Header
	status int
	bytes.Buffer
}

func (r *refusal) Header() http.Header {
	if r.header == nil {
		r.header = make(http.Header)
	}
	return r.header
}

func (r *refusal) WriteHeader(status int) { r.status = status }
