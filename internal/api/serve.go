package api

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"go.uber.org/zap"
)

const (
	// requestTimeout limits the time that a request takes, including calls to Halo.
	requestTimeout = 2 * time.Minute
	// writeTimeout limits how long a caller may take to read the response.
	writeTimeout = 30 * time.Second
)

// ServeHTTP answers a request whose path begins with [Prefix]. A request that matches no
// operation gets a problem.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r.Header.Del("Accept")                                  // the response is always JSON
	if tags := r.Header.Values("If-Match"); len(tags) > 1 { // a list may be spread over several headers
		r.Header.Set("If-Match", strings.Join(tags, ", "))
	}
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
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(requestTimeout + writeTimeout)) // fails only for an httptest.ResponseRecorder
	handler, pattern := h.mux.Handler(r)
	if pattern != "" {
		h.mux.ServeHTTP(w, r)
		return
	}
	var answer refusal
	handler.ServeHTTP(&answer, r)
	if allow := answer.Header().Get("Allow"); answer.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", allow)
		writeProblem(w, newProblem(answer.status, fmt.Sprintf("%s is not allowed here; allowed: %s", r.Method, allow)))
		return
	}
	writeProblem(w, newProblem(http.StatusNotFound, "no such operation; see "+Prefix+"/openapi.json"))
}

// refusal records the router's response to a request that matches no route.
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
