package tasks

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halosync/halosync/internal/sleep"
)

// line is a connection to Redis that a test cuts and restores.
type line struct {
	t      *testing.T
	target string
	addr   string

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	wg       sync.WaitGroup
}

// newLine returns a line that is cut, and a URL that connects to Redis through it.
func newLine(t *testing.T, to string) (*line, string) {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	l := &line{t: t, target: u.Host, addr: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	l.restore() // listens once to get a port
	l.cut()
	t.Cleanup(l.wg.Wait)
	t.Cleanup(l.cut)
	u.Host = l.addr
	u.RawQuery = "max_retries=-1" // otherwise go-redis would keep retrying until a short outage is over
	return l, u.String()
}

func (l *line) restore() {
	l.mu.Lock()
	defer l.mu.Unlock()
	listener, err := net.Listen("tcp", l.addr)
	if err != nil {
		l.t.Error(err)
		return
	}
	l.listener, l.addr = listener, listener.Addr().String()
	l.wg.Go(func() { l.accept(listener) })
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != nil {
		l.listener.Close()
		l.listener = nil
	}
	for c := range l.conns {
		c.Close()
	}
	clear(l.conns)
}

func (l *line) accept(listener net.Listener) {
	for {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", l.target)
		if err != nil {
			near.Close()
			continue
		}
		l.mu.Lock()
		if l.listener != listener { // the line was cut in the meantime
			near.Close()
			far.Close()
		}
		l.conns[near], l.conns[far] = true, true
		l.mu.Unlock()
		l.wg.Go(func() { pipe(near, far) })
		l.wg.Go(func() { pipe(far, near) })
	}
}

func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from) // ends when either side is closed
	to.Close()
	from.Close()
}

// Start succeeds without Redis. Execution begins once Redis is available.
func TestServerStartsWithoutRedis(t *testing.T) {
	t.Parallel()
	direct := database(t)
	l, over := newLine(t, direct)
	c := openClient(t, direct)
	id := enqueueNote(t, c, noteKind())
	s := serve(t, over, ServerConfig{}, noteKind(), succeed)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Ping(ctx); err == nil {
		t.Error("ping succeeded")
	}
	l.restore()
	await(t, c, id)
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// If Redis is unavailable for a short time while a task ends, the result must not be
// lost. Otherwise the task would run again two minutes later.
func TestRedisIsAwayAtTheEnd(t *testing.T) {
	t.Parallel()
	direct := database(t)
	l, over := newLine(t, direct)
	l.restore()
	c := openClient(t, direct)
	var calls atomic.Int64
	finished := make(chan bool)
	serve(t, over, ServerConfig{}, noteKind(), func(ctx context.Context, job Job[note]) (RunResult, error) {
		calls.Add(1)
		l.cut()
		close(finished)
		return succeed(ctx, job)
	})
	id := enqueueNote(t, c, noteKind())
	receive(t, finished)
	if err := sleep.For(t.Context(), 3*time.Second); err != nil { // duration of the outage
		t.Fatal(err)
	}
	if st, err := c.Status(t.Context(), id); err != nil || st.State != StateRunning {
		t.Errorf("status while the worker cannot reach Redis: %+v, %v", st, err)
	}
	l.restore()
	if result, err := c.Wait(t.Context(), id); err != nil || result.State != "succeeded" || calls.Load() != 1 {
		t.Errorf("result = %+v, %v after %d executions", result, err, calls.Load())
	}
}

// Wait survives a restart of Redis.
func TestWaitThroughAnOutage(t *testing.T) {
	t.Parallel()
	direct := database(t)
	l, over := newLine(t, direct)
	l.restore()
	waiting := openClient(t, over)
	near := openClient(t, direct)
	id := enqueueNote(t, near, noteKind())
	result := make(chan error, 1)
	go func() {
		_, err := waiting.Wait(t.Context(), id)
		result <- err
	}()
	if _, err := waiting.Status(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := sleep.For(t.Context(), 300*time.Millisecond); err != nil { // time for Wait to notice the outage
		t.Fatal(err)
	}
	l.cut()
	serve(t, direct, ServerConfig{}, noteKind(), succeed)
	await(t, near, id)
	select {
	case err := <-result:
		t.Fatalf("Wait returned during the outage: %v", err)
	default:
	}
	l.restore()
	if err := receive(t, result); err != nil {
		t.Error(err)
	}
}
