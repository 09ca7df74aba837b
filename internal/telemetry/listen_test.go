package telemetry

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A response that never ends, such as live progress, may extend its deadline beyond the
// write timeout. It does not stop the listener from closing.
func TestCloseEndsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	begun, ended := make(chan struct{}), make(chan error, 1)
	l, err := Listen(t.Context(), "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := http.NewResponseController(w)
		fmt.Fprintln(w, "data: 1")
		ended <- func() error {
			if err := out.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				return err
			}
			if err := out.Flush(); err != nil {
				return err
			}
			close(begun)
			<-r.Context().Done()
			return nil
		}()
	}))
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + l.Addr())
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body) // the body ends early
		got <- string(body)
	}()
	<-begun
	if err := l.Close(context.Background()); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("live answer: %v", err)
	}
	if body := <-got; body != "data: 1\n" {
		t.Errorf("got %q", body)
	}
}

func TestListenerHasBounds(t *testing.T) {
	t.Parallel()
	l, err := Listen(t.Context(), "127.0.0.1:0", http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if s := l.server; s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 {
		t.Errorf("server %+v", s)
	}
	conn, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n", strings.Repeat("x", 30<<10))
	answer, _ := io.ReadAll(conn) // the server closes it
	if !strings.HasPrefix(string(answer), "HTTP/1.1 431 ") {
		t.Errorf("huge header: %.100q", answer)
	}
}

// A response may take longer than the read timeout, whether or not the request has a
// body. A request whose body does not arrive in time gets 408.
func TestAnswersTakeTheirTime(t *testing.T) {
	t.Parallel()
	const arrival = 200 * time.Millisecond
	l, err := listen(t.Context(), "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "late", http.StatusRequestTimeout)
			return
		}
		select {
		case <-r.Context().Done():
			http.Error(w, "cut off", http.StatusInternalServerError)
		case <-time.After(2 * arrival):
			fmt.Fprint(w, "done")
		}
	}), arrival)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	ask := func(method string, body io.Reader) string {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+l.Addr(), body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body) // reads what has arrived
		return string(text)
	}
	if got := ask(http.MethodGet, http.NoBody); got != "done" {
		t.Errorf("without a body: %q", got)
	}
	if got := ask(http.MethodPost, strings.NewReader("a=b")); got != "done" {
		t.Errorf("with a body: %q", got)
	}
	r, w := io.Pipe()
	defer func() { _ = w.Close() }() // closes the pipe
	if got := ask(http.MethodPost, r); !strings.HasPrefix(got, "late") {
		t.Errorf("incomplete body: answered with %q", got)
	}
}
