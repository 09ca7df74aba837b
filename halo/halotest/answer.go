package halotest

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// answer is a response together with the way to send it.
type answer struct {
	status int
	header http.Header // may be nil
	body   []byte

	list        bool // a page of clients
	pooled      bool // body comes from the pool and returns there
	rows, total int  // rows on the page and in the whole list
	token       bool // a token was issued

	end   ending
	bytes int           // bytes of the body to send before endBroken
	chunk int           // size of the pieces in which the body is sent, in bytes …
	pause time.Duration // … with a pause before each
	hang  time.Duration // wait before the connection closes without an answer; negative: wait until the client gives up
}

// ending says how an answer ends.
type ending int

const (
	endComplete ending = iota
	endBroken          // the connection is closed in the middle
	endReset           // the connection is reset before anything is sent
)

const (
	jsonType = "application/json; charset=utf-8"
	htmlType = "text/html; charset=utf-8"
)

func (a *answer) json(b []byte) { a.text(jsonType, string(b)) }

func (a *answer) text(kind, body string) {
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header.Set("Content-Type", kind)
	a.body = []byte(body)
}

// complete reports whether the answer is a success that the client receives
// completely.
func (a answer) complete() bool { return a.status == http.StatusOK && a.end == endComplete }

// sent returns how many bytes of the body to send.
func (a answer) sent() int {
	switch {
	case a.status == 0:
		return 0
	case a.end == endBroken:
		return min(a.bytes, len(a.body))
	}
	return len(a.body)
}

// page returns an HTML page like those that gateways send.
func page(title, text string) string {
	return "<!DOCTYPE html>\n<html><head><title>" + title + "</title></head><body><h1>" +
		title + "</h1><p>" + text + "</p></body></html>\n"
}

// send writes the answer to the wire.
func (h *Halo) send(w http.ResponseWriter, c *call, a answer) {
	if a.status == 0 {
		h.server.wait(c.r.Context(), a.hang)
		drop(w, a.end == endReset)
		return
	}
	for k, v := range a.header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	body := a.body[:a.sent()]
	if a.chunk > 0 {
		h.drip(c.r.Context(), w, body, a)
		return
	}
	// If the body is shorter than Content-Length, net/http breaks the
	// connection. An error means that the client has disconnected.
	_, _ = w.Write(body)
}

// drip sends body piece by piece.
func (h *Halo) drip(ctx context.Context, w io.Writer, body []byte, a answer) {
	for len(body) > 0 && h.server.wait(ctx, a.pause) {
		n := min(a.chunk, len(body))
		if _, err := w.Write(body[:n]); err != nil {
			return
		}
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		body = body[n:]
	}
}

// drop ends the connection without an answer. If that is impossible, as with a
// recorder in a test, it answers 502.
func drop(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0) // closing then sends RST
	}
	_ = conn.Close()
}

// maxBuffer is the maximum size, in bytes, of a buffer that is kept.
const maxBuffer = 1 << 20

// bodyPool reuses the buffers of list pages. A page of 100 rows takes some
// 100 kB, more than anything else in a request.
type bodyPool struct{ pool sync.Pool }

// get returns an empty buffer, or nil.
func (p *bodyPool) get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

// put returns the body of a sent answer to the pool.
func (p *bodyPool) put(a answer) {
	if b := a.body; a.pooled && cap(b) <= maxBuffer {
		p.pool.Put(&b)
	}
}
