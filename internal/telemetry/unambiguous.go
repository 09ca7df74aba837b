package telemetry

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
)

// maxHead bounds the bytes that a recorder keeps. It exceeds the largest header that the
// server accepts plus the bytes that the server reads ahead.
const maxHead = 64 << 10

// unambiguous returns a handler that refuses requests with both Content-Length and
// Transfer-Encoding, and closes their connections. If a proxy uses one of the headers
// and the server uses the other, they disagree on where the request ends. The server may
// then treat the rest of the body as a request of another client (request smuggling).
// net/http removes Content-Length from such a request before a handler sees it, so the
// handler inspects the recorded bytes.
func unambiguous(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(recorderKey{}).(*recorder)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		length, encoding, known := c.request(r.ContentLength)
		if encoding || !known {
			// The recorder does not know where this request ends, so the connection is
			// closed after it.
			w.Header().Set("Connection", "close")
		}
		if !known || length && encoding {
			http.Error(w, "The length of the request is ambiguous: send either Content-Length or Transfer-Encoding.", http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// recorders is a listener that wraps each connection in a recorder.
type recorders struct{ net.Listener }

// Accept waits for the next connection.
func (l recorders) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok && err == nil {
		return &recorder{TCPConn: tcp}, nil
	}
	return conn, err
}

type recorderKey struct{}

func withRecorder(ctx context.Context, conn net.Conn) context.Context {
	if c, ok := conn.(*recorder); ok {
		return context.WithValue(ctx, recorderKey{}, c)
	}
	return ctx
}

// recorder is a connection that keeps the header of the next request as it arrived.
type recorder struct {
	*net.TCPConn

	mu   sync.Mutex
	head []byte // bytes that arrived after the body of the last request
	skip int64  // number of bytes of that body that have not arrived
}

// Read reads from the connection.
func (c *recorder) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(p[:n])
	return n, err
}

func (c *recorder) keep(arrived []byte) {
	body := min(int64(len(arrived)), c.skip)
	c.skip -= body
	arrived = arrived[body:]
	c.head = append(c.head, arrived[:min(len(arrived), maxHead-len(c.head))]...)
}

// request reports which of the two headers the current request has, and discards the
// recorded header. The argument length is the length of the body. The result known is
// false if the header was not recorded completely.
func (c *recorder) request(length int64) (hasLength, hasEncoding, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := bytes.TrimLeft(c.head, "\r\n") // the server ignores empty lines before a request
	for {
		line, after, ok := bytes.Cut(rest, []byte("\n"))
		if !ok {
			return hasLength, hasEncoding, false
		}
		rest = after
		if line = bytes.TrimSuffix(line, []byte("\r")); len(line) == 0 {
			break
		}
		name, _, _ := strings.Cut(string(line), ":")
		hasLength = hasLength || strings.EqualFold(name, "Content-Length")
		hasEncoding = hasEncoding || strings.EqualFold(name, "Transfer-Encoding")
	}
	arrived := append([]byte(nil), rest...)
	c.head, c.skip = c.head[:0], max(length, 0)
	c.keep(arrived)
	return hasLength, hasEncoding, true
}
