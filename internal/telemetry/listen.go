package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Listener is a running HTTP server.
type Listener struct {
	server *http.Server
	addr   net.Addr
	failed chan error
	end    context.CancelFunc // cancels the contexts of all requests
	closed func(context.Context)
}

// Listen serves handler at addr (host:port; port 0 selects a free port). The headers of a
// request (at most 16 KiB) must arrive within 5 s, and the whole request within 10 s. The
// response must be written within 30 s. A longer response, such as live progress, must
// extend its deadline before each write with [http.ResponseController.SetWriteDeadline].
// The request's context ends when the client disconnects or the listener closes. The atEnd
// functions are called when the listener begins to close, so that they can end long
// responses. Requests with both Content-Length and Transfer-Encoding are refused; see
// [unambiguous].
func Listen(ctx context.Context, addr string, handler http.Handler, atEnd ...func()) (*Listener, error) {
	return listen(ctx, addr, handler, 10*time.Second, atEnd...)
}

func listen(ctx context.Context, addr string, handler http.Handler, arrival time.Duration, atEnd ...func()) (*Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("HTTP listener: %w", err)
	}
	base, end := context.WithCancel(context.WithoutCancel(ctx))
	l := &Listener{
		addr:   ln.Addr(),
		end:    end,
		failed: make(chan error, 1),
		server: &http.Server{
			Handler: unambiguous(handler), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: arrival,
			WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
			BaseContext: func(net.Listener) context.Context { return base },
			ConnContext: withRecorder,
		},
	}
	for _, f := range atEnd {
		l.server.RegisterOnShutdown(f)
	}
	go func() {
		if err := l.server.Serve(recorders{ln}); !errors.Is(err, http.ErrServerClosed) {
			l.failed <- fmt.Errorf("HTTP listener: %w", err)
		}
	}()
	return l, nil
}

// Addr returns the listener's address.
func (l *Listener) Addr() string { return l.addr.String() }

// OnClosed sets a function that [Listener.Close] calls after the last request has ended.
func (l *Listener) OnClosed(f func(context.Context)) { l.closed = f }

// Failed returns a channel that receives the error if the listener fails.
func (l *Listener) Failed() <-chan error { return l.failed }

// Close waits up to two seconds for current requests, then ends them. Without this
// limit, a page with live progress would keep the listener open until the run ends.
func (l *Listener) Close(ctx context.Context) error {
	if l.closed != nil {
		defer l.closed(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	defer l.end()
	err := l.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		l.end()
		return l.server.Close()
	}
	return err
}
