package telemetry

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// talk sends text to a listener and returns the answers until the listener
// closes the connection.
func talk(t *testing.T, addr string, parts ...string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, part := range parts {
		if _, err := io.WriteString(conn, part); err != nil {
			break // the listener has closed the connection
		}
	}
	answers, _ := io.ReadAll(conn) // the bytes that arrived before a reset
	return string(answers)
}

// A request with two lengths is refused, and the bytes after it on the connection
// are not read as a request.
func TestAmbiguousLengths(t *testing.T) {
	t.Parallel()
	served := make(chan string, 100)
	l, err := Listen(t.Context(), "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // the tests compare what was read
		served <- r.Method + " " + r.URL.Path + " " + string(body)
		fmt.Fprintln(w, "served")
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	const first = "POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
	for name, sent := range map[string][]string{
		"length before": {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled},
		"length after":  {"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\ncontent-length: 44\r\n\r\n0\r\n\r\n" + smuggled},
		"in pieces":     {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Le", "ngth: 4\r\nTransfer-Enc", "oding: chunked\r\n\r", "\n0\r\n\r\n" + smuggled},
		"bare newlines": {"POST /a HTTP/1.1\nHost: x\nContent-Length: 4\nTransfer-Encoding: chunked\n\n0\r\n\r\n" + smuggled},
		"HTTP/1.0":      {"POST /a HTTP/1.0\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\nabcd" + smuggled},
		"after another": {first + "\r\nPOST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled},
		"in the body":   {"POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n" + strings.Repeat("x", 60), strings.Repeat("y", 40) + "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled},
	} {
		answers := talk(t, l.Addr(), sent...)
		if !strings.Contains(answers, "400 Bad Request") || !strings.Contains(answers, "Connection: close") {
			t.Errorf("%s: %q", name, answers)
		}
		for len(served) > 0 {
			if got := <-served; !strings.HasPrefix(got, "POST /first ") {
				t.Errorf("%s: served %q", name, got)
			}
		}
	}
	// The bytes after a chunked body are not read either, although the body is valid.
	answers := talk(t, l.Addr(), "POST /chunks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"+smuggled)
	if got := <-served; got != "POST /chunks abc" || len(served) > 0 || strings.Count(answers, "served\n") != 1 {
		t.Errorf("chunks: %q, %q", got, answers)
	}
}

// Requests with only one length are served on the same connection.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	l, err := Listen(t.Context(), "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int64(0)
		if r.URL.Path == "/read" { // other bodies are left to the server
			n, _ = io.Copy(io.Discard, r.Body) // the length is compared
		}
		fmt.Fprint(w, n)
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	conn, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	ask := func(text, want string) {
		t.Helper()
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || string(body) != want || resp.Close {
			t.Errorf("%.40q: %d %q, close %v, %v", text, resp.StatusCode, body, resp.Close, err)
		}
	}
	for _, size := range []int{0, 3, 5000, 200_000} {
		for _, path := range []string{"/read", "/leave"} {
			want := "0"
			if path == "/read" {
				want = fmt.Sprint(size)
			}
			ask(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, size, strings.Repeat("x", size)), want)
			ask("GET /read HTTP/1.1\r\nHost: x\r\n\r\n", "0")
		}
	}
	// Two requests at once: the second one arrives before the first is answered.
	if _, err := io.WriteString(conn, "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"); err != nil {
		t.Fatal(err)
	}
	ask("GET /read HTTP/1.1\r\nHost: x\r\n\r\n", "3")
	ask("", "0")
}
